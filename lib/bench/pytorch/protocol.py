"""The protocol of `kernel bench --external`: say "ready", answer each line "run" by "done"."""
import argparse
import sys

import torch


def parser():
    p = argparse.ArgumentParser()
    p.add_argument("--model", default="deit_small_patch16_224")
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--image-size", type=int, default=224)
    p.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--device", default="cpu")
    p.add_argument("--compile", action="store_true", help="torch.compile")
    return p


def serve(args, model, call=None):
    torch.set_num_threads(args.threads)
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[args.dtype]
    model = model.eval().to(args.device, dtype)
    call = call or (lambda x: model(x))
    if args.compile:
        call = torch.compile(call)
    images = torch.rand(args.batch, 3, args.image_size, args.image_size) * 2 - 1

    def batch():
        # From float32 images in memory to float32 logits in memory, as Tokenfuse is timed.
        with torch.inference_mode():
            return call(images.to(args.device, dtype)).float().cpu()

    out = batch()
    assert torch.isfinite(out).all() and out.shape[0] == args.batch, out.shape
    batch()
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "run":
            batch()
            print("done", flush=True)
