"""The official MCTF code (mlvlab/MCTF at 2004da0), imported as it is from ./MCTF."""
import os
import sys
import types

import torch

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "MCTF"))
# Old module names of timm that the official code imports.
import timm.layers
import timm.models
import timm.models._manipulate as manipulate
import timm.models._registry as registry
import timm.layers as layers

helpers = types.ModuleType("timm.models.helpers")
helpers.named_apply, helpers.adapt_input_conv = manipulate.named_apply, manipulate.adapt_input_conv if hasattr(manipulate, "adapt_input_conv") else None
sys.modules.setdefault("timm.models.helpers", helpers)
sys.modules.setdefault("timm.models.layers", layers)
sys.modules.setdefault("timm.models.registry", registry)

import protocol
import models.deit as deit

p = protocol.parser()
p.add_argument("--r", type=float, default=16)
p.add_argument("--layers", default="1,2,3,4,5,6,7,8,9,10,11")
args = p.parse_args()
r = int(args.r) if args.r >= 1 else args.r
torch.manual_seed(0)
build = {"deit_tiny_patch16_224": deit.deit_tiny, "deit_small_patch16_224": deit.deit_small, "deit_base_patch16_224": deit.deit_base}[args.model]
model = build(input_size=args.image_size, use_mctf=True, mctf_type=[r, 0, 0, 1, 1, 1, 20, 40, 1, 1, 0], task_type=[1, 0, 0, 0],
              activate_layer=[int(l) for l in args.layers.split(",")])
model.blocks[-1].register_forward_hook(lambda m, i, o: print("tokens", o.shape[1], file=sys.stderr) if os.environ.get("SHOW_TOKENS") else None)
protocol.serve(args, model, lambda x: model(x, r_eval=r))
