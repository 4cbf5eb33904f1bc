"""The official ToMe patch (facebookresearch/ToMe at af95e4b) on timm's model."""
import os
import sys
import types

import timm
import timm.models.vision_transformer as vt
import torch

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "ToMe"))
sys.modules.setdefault("tome.vis", types.ModuleType("tome.vis"))  # plots, which pull in more packages
sys.modules["tome.vis"].make_visualization = None
import tome.patch

import protocol

# timm of today hands more to a block than the patch of 2022 takes, and its blocks have layer scales (identities here).
patch = sys.modules["tome.patch.timm"]
forward = patch.ToMeBlock.forward
patch.ToMeBlock.forward = lambda self, x, *a, **k: forward(self, x)

p = protocol.parser()
p.add_argument("--r", type=int, default=13)
args = p.parse_args()
torch.manual_seed(0)
model = timm.create_model(args.model, pretrained=False, img_size=args.image_size)
tome.patch.timm(model)
model.r = args.r
model.blocks[-1].register_forward_hook(lambda m, i, o: print("tokens", o.shape[1], file=sys.stderr) if os.environ.get("SHOW_TOKENS") else None)
protocol.serve(args, model)
