"""Makes the pictures of this folder, and what Pillow (12.3.0) makes of them.

Run it here: python pictures.py. The names tell the tests what was done:
SOURCE.HEIGHTxWIDTH.FILTER.png are resized, FILE.rgb.png decoded and converted to RGB; SOURCE.operations.png
holds, one below the other, what the operations of operations.json make of SOURCE.png, and
SOURCE.cuts.png what cuts.json cuts out of it and resizes.
"""

from PIL import Image, ImageDraw, ImageEnhance, ImageOps
import json
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

AFFINE, BICUBIC = Image.Transform.AFFINE, Image.Resampling.BICUBIC


def operate(image, name, value):
    fill = (124, 116, 104) if image.mode == "RGB" else 124
    width, height = image.size

    def affine(*matrix):
        return image.transform(image.size, AFFINE, matrix, resample=BICUBIC, fillcolor=fill)

    def solarizeadd():
        table = [min(255, i + int(value)) if i < 128 else i for i in range(256)]
        return image.point(table * len(image.getbands()))

    return {
        "autocontrast": lambda: ImageOps.autocontrast(image),
        "equalize": lambda: ImageOps.equalize(image),
        "invert": lambda: ImageOps.invert(image),
        "rotate": lambda: image.rotate(value, resample=BICUBIC, fillcolor=fill),
        "posterize": lambda: ImageOps.posterize(image, int(value)),
        "solarize": lambda: ImageOps.solarize(image, int(value)),
        "solarizeadd": solarizeadd,
        "color": lambda: ImageEnhance.Color(image).enhance(value),
        "contrast": lambda: ImageEnhance.Contrast(image).enhance(value),
        "brightness": lambda: ImageEnhance.Brightness(image).enhance(value),
        "sharpness": lambda: ImageEnhance.Sharpness(image).enhance(value),
        "shearx": lambda: affine(1, value, 0, 0, 1, 0),
        "sheary": lambda: affine(1, 0, 0, value, 1, 0),
        "translatex": lambda: affine(1, 0, value * width, 0, 1, 0),
        "translatey": lambda: affine(1, 0, 0, 0, 1, value * height),
    }[name]()


def below(pictures):
    """One below the other; all of one size."""
    width, height = pictures[0].size
    column = Image.new(pictures[0].mode, (width, height * len(pictures)))
    for i, part in enumerate(pictures):
        column.paste(part, (0, i * height))
    return column


OPERATIONS = [
    ("autocontrast", 0), ("equalize", 0), ("invert", 0),
    ("rotate", 27), ("rotate", -14.3), ("rotate", 0),
    ("posterize", 1), ("posterize", 4), ("posterize", 0),
    ("solarize", 26), ("solarize", 256), ("solarizeadd", 99),
    ("color", 0.1), ("color", 1.81), ("contrast", 0.19), ("contrast", 1.81), ("brightness", 0.19), ("brightness", 1.81),
    ("sharpness", 0.19), ("sharpness", 1.81), ("sharpness", 1),
    ("shearx", 0.27), ("shearx", -0.3), ("sheary", 0.27), ("sheary", -0.01),
    ("translatex", 0.405), ("translatex", -0.45), ("translatey", 0.405), ("translatey", -0.3),
]
CUTS = [(0, 0, 35, 47), (3, 5, 20, 11), (30, 40, 4, 7), (10, 0, 1, 47)]  # top, left, height, width

with open("operations.json", "w") as file:
    json.dump([{"name": name, "value": value} for name, value in OPERATIONS], file, indent=0)
with open("cuts.json", "w") as file:
    json.dump(CUTS, file)
picture.save("scene.png", optimize=True)
pale = picture.point([60 + v // 3 for v in range(256)] * 3)
pale.save("pale.png", optimize=True)
for name in ("scene", "pale", "grey"):
    source = Image.open(name + ".png")
    below([operate(source, *operation) for operation in OPERATIONS]).save(name + ".operations.png", optimize=True)
source = Image.open("scene.png")
below([source.crop((left, top, left + width, top + height)).resize((24, 16), BICUBIC)
       for top, left, height, width in CUTS]).save("scene.cuts.png", optimize=True)
