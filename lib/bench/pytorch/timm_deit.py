"""timm's plain model (fused attention where PyTorch has it)."""
import timm
import torch

import protocol

args = protocol.parser().parse_args()
torch.manual_seed(0)
protocol.serve(args, timm.create_model(args.model, pretrained=False, img_size=args.image_size))
