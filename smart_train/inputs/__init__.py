"""What a query or a document is made of: images, videos, addresses, files below a folder, one model input."""
