#!/usr/bin/env python3
"""The chessboard photographs of Debian's opencv-doc as a data set in Aariz layout.

    chessboard.py OUT [--photos FOLDER] [--overlay]

Truth are the 54 inner corners that OpenCV finds and refines; see README.md.
"""

import argparse
import csv
import json
import pathlib
import shutil

import cv2
import numpy

COLUMNS, ROWS = 9, 6
PHOTOS = "/usr/share/doc/opencv-doc/examples/data"
# The left camera is for training; the right one is another camera, kept out.
SPLITS = {
    "train": ("left", range(1, 15)),
    "valid": ("right", range(1, 8)),
    "test": ("right", range(8, 15)),
}


def find_corners(grey):
    """{54, 2} corners, row by row; the square between corners 0, 1, 9, 10 is black.

    OpenCV begins at either end of the board. Turned by 180 degrees, a board of 10 x 7 squares has
    its colours exchanged, so the colour of the first inner square tells the two orders apart.
    """
    found, corners = cv2.findChessboardCorners(grey, (COLUMNS, ROWS))
    if not found:
        raise SystemExit("no chessboard found")
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 1e-4)
    corners = cv2.cornerSubPix(grey, corners, (5, 5), (-1, -1), stop).reshape(-1, 2)
    grid = corners.reshape(ROWS, COLUMNS, 2)
    squares = (grid[:-1, :-1] + grid[1:, 1:] + grid[:-1, 1:] + grid[1:, :-1]) / 4
    at = squares.round().astype(int)
    values = grey[at[..., 1], at[..., 0]].astype(float)
    is_even = numpy.add.outer(numpy.arange(ROWS - 1), numpy.arange(COLUMNS - 1)) % 2 == 0
    if values[is_even].mean() > values[~is_even].mean():
        corners = corners[::-1]
        values = values[::-1, ::-1]
    if values[is_even].mean() > values[~is_even].mean() - 60:
        raise SystemExit("the squares do not alternate: a corner is in the wrong place")
    step_right, step_down = corners[1] - corners[0], corners[COLUMNS] - corners[0]
    if step_right[0] * step_down[1] - step_right[1] * step_down[0] <= 0:
        raise SystemExit("the corners are mirrored")
    return corners


def write_annotation(path, name, corners):
    landmarks = [
        {
            "landmark_id": f"{name}-{k:02d}",
            "title": f"Corner {k // COLUMNS}, {k % COLUMNS}",
            "symbol": f"P{k:02d}",
            "value": {"x": round(float(x), 3), "y": round(float(y), 3)},
        }
        for k, (x, y) in enumerate(corners)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet = {"ceph_id": name, "landmarks": landmarks, "dataset_name": "chessboard"}
    path.write_text(json.dumps(sheet, indent=1))


def write_overlay(path, grey, corners):
    larger = cv2.resize(grey, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    picture = cv2.cvtColor(larger, cv2.COLOR_GRAY2BGR)
    font, green = cv2.FONT_HERSHEY_SIMPLEX, (60, 255, 60)
    for k, (x, y) in enumerate(corners):
        at = (round(2 * float(x) + 0.5), round(2 * float(y) + 0.5))
        cv2.circle(picture, at, 3, (60, 60, 255), -1, cv2.LINE_AA)
        beside = (at[0] + 4, at[1] - 4)
        cv2.putText(picture, str(k), beside, font, 0.45, green, 1, cv2.LINE_AA)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--photos", type=pathlib.Path, default=pathlib.Path(PHOTOS))
    parser.add_argument("--overlay", action="store_true",
                        help="also OUT/overlay/NAME.png with numbered corners")
    options = parser.parse_args()

    rows = []
    for split, (camera, numbers) in SPLITS.items():
        for number in numbers:
            name = f"{camera}{number:02d}"
            photo = options.photos / f"{name}.jpg"
            if not photo.exists():  # there is no 10
                continue
            grey = cv2.imread(str(photo), cv2.IMREAD_GRAYSCALE)
            corners = find_corners(grey)
            pictures = options.out / split / "Cephalograms"
            pictures.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(photo, pictures / f"{name}.jpg")
            sheets = options.out / split / "Annotations" / "Cephalometric Landmarks"
            for reader in "Senior", "Junior":
                write_annotation(sheets / f"{reader} Orthodontists" / f"{name}.json", name, corners)
            rows.append([name, camera, 1, "jpg", "L"])
            if options.overlay:
                write_overlay(options.out / "overlay" / f"{name}.png", grey, corners)
    titles = ["cephalogram_id", "machine", "pixel_size", "image_format", "mode"]
    mappings = options.out / "cephalogram_machine_mappings.csv"
    with open(mappings, "w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([titles] + rows)
    print(f"{len(rows)} photographs in {options.out}")


if __name__ == "__main__":
    main()
