"""Lets a torchvision built for CUDA import beside a torch built for CPU; `launch.sh test` puts it on the path.

Such a torchvision cannot load its compiled operators, and its Python code then fails to describe two of them that
torch has never heard of. Declaring the two is enough for everything that image processors use. Python imports a module
of this name at start-up; torch is only imported when torchvision is.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder


class _DeclareOperators(MetaPathFinder):
    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        if fullname != "torchvision":
            return
        sys.meta_path.remove(self)
        import torch

        # Kept on the class: the declarations last as long as the object does.
        type(self).library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            self.library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


sys.meta_path.insert(0, _DeclareOperators())
