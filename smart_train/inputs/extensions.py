"""What a file holds, by the end of its name."""

IMAGE_EXTENSIONS = (
    (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff")
    + (".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx", ".jpf", ".avif")
)  # fmt: skip
TIFF_EXTENSIONS = (".tif", ".tiff")  # a file may hold several pages
VIDEO_EXTENSIONS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg")
# Pictures that are not read, which folders name.
OTHER_PICTURES = (
    (".heic", ".heif", ".svg", ".svgz", ".eps", ".psd", ".djvu", ".emf", ".wmf", ".jxl", ".ico", ".dds", ".tga")
    + (".pcx", ".sgi", ".xcf", ".dng", ".cr2", ".nef", ".arw")
)  # fmt: skip
