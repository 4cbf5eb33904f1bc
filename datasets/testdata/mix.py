"""Makes mix.json: what timm's Mixup (batch mode, no smoothing) makes of a batch, its draws given.

Run it here: python mix.py, with timm 1.0.31 and PyTorch 2.11.
"""

import json

import numpy as np
import timm
import torch
from timm.data.mixup import Mixup

torch.manual_seed(1)
N, CLASSES, SHAPE = 4, 3, (2, 6, 5)
LABELS = [0, 2, 2, 1]


def numbers(tensor):
    return [float(str(x)) for x in tensor.flatten().numpy()]


def mix(cut, lam, y=0, x=0):
    images = torch.randint(-64, 64, (N, *SHAPE)) / 32
    before = numbers(images)
    draws = iter([y, x])
    np.random.beta = lambda *_: lam
    np.random.randint = lambda *_, **__: next(draws)
    mixup = Mixup(mixup_alpha=0 if cut else 0.8, cutmix_alpha=1 if cut else 0, label_smoothing=0, num_classes=CLASSES)
    images, targets = mixup(images, torch.tensor(LABELS))
    return {"cut": cut, "lambda": lam, "y": y, "x": x, "before": before,
            "after": numbers(images), "targets": numbers(targets)}


cases = [mix(False, 0.3), mix(False, 0.984375), mix(True, 0.5, 3, 2), mix(True, 0.25, 0, 4), mix(True, 0.0, 2, 2)]
with open("mix.json", "w") as file:
    json.dump({"made_by": f"timm {timm.__version__}, torch {torch.__version__}", "shape": SHAPE, "classes": CLASSES,
               "labels": LABELS, "cases": cases}, file)
