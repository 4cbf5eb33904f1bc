"""Makes the pictures of this folder, and what Pillow (12.3.0) makes of them.

Run it here: python pictures.py. The names tell the tests what was done:
SOURCE.HEIGHTxWIDTH.FILTER.png are resized, FILE.rgb.png decoded and converted to RGB.
"""

from PIL import Image, ImageDraw
import random

random.seed(1)


def noise(mode, width, height):
    size = width * height * len(mode)
    return Image.frombytes(mode, (width, height), random.randbytes(size))


def scene(width, height):
    picture = Image.merge("RGB", [
        Image.linear_gradient("L").resize((width, height)),
        Image.radial_gradient("L").resize((width, height)),
        Image.linear_gradient("L").rotate(90).resize((width, height)),
    ])
    draw = ImageDraw.Draw(picture)
    draw.ellipse((5, 8, 29, 25), fill=(230, 30, 20))
    draw.line((0, height, width, 0), fill=(20, 240, 60), width=3)
    draw.rectangle((30, 2, 41, 12), fill=(10, 20, 250))
    return Image.blend(picture, noise("RGB", width, height), 0.1)


FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
SIZES = [(9, 11), (14, 11), (40, 20), (13, 50), (37, 8), (55, 29)]

noise("RGB", 29, 37).save("noise.png")
noise("L", 29, 37).save("grey.png")
for name in ("noise", "grey"):
    source = Image.open(name + ".png")
    for height, width in SIZES:
        for kind, resampling in FILTERS.items():
            source.resize((width, height), resampling).save(f"{name}.{height}x{width}.{kind}.png", optimize=True)

picture = scene(47, 35)
alpha = picture.convert("RGBA")
alpha.putalpha(Image.linear_gradient("L").resize(alpha.size))
picture.save("420.jpg", subsampling="4:2:0", quality=85)
picture.save("420progressive.jpg", subsampling="4:2:0", quality=85, progressive=True)
picture.save("422.jpg", subsampling="4:2:2", quality=85)
picture.save("444.jpg", subsampling="4:4:4", quality=85)
picture.crop((10, 5, 14, 35)).save("narrow.jpg", subsampling="4:2:0", quality=85)
picture.convert("L").save("grey.jpg", quality=85)
picture.convert("CMYK").save("cmyk.jpg", quality=85)
picture.save("lossy.webp", quality=80)
alpha.save("alpha.webp", quality=80)
alpha.save("lossless.webp", lossless=True)
alpha.save("alpha.png")
alpha.convert("LA").save("greyalpha.png")
palette = picture.quantize(16)
palette.save("palette.png", transparency=3)
picture.convert("1").save("bits.png")
for name in ("420.jpg", "420progressive.jpg", "422.jpg", "444.jpg", "narrow.jpg", "grey.jpg", "cmyk.jpg",
             "lossy.webp", "alpha.webp", "lossless.webp",
             "alpha.png", "greyalpha.png", "palette.png", "bits.png"):
    Image.open(name).convert("RGB").save(name + ".rgb.png", optimize=True)
