"""Class masks of radio images: classes, objects, drawing them from a map, file formats. No torch, no network."""

from radiff.masks.annotate import AnnotateOptions, annotate
from radiff.masks.classes import (
    BACKGROUND,
    CLASSES,
    COMPACT,
    EXTENDED,
    NUM_CLASSES,
    SPURIOUS,
    MaskClass,
    check_mask,
    class_name,
    parse_class,
)
from radiff.masks.ds9 import read_ds9, write_ds9
from radiff.masks.formats import (
    YOLO_CLASSES,
    from_coco,
    read_yolo,
    to_coco,
    write_yolo,
    yolo_lines,
)
from radiff.masks.instances import (
    SourceObject,
    labels_to_objects,
    mask_to_objects,
    objects_to_labels,
    objects_to_mask,
)
from radiff.masks.io import MASK_SUFFIXES, read_mask, read_png, write_mask, write_png
from radiff.masks.layout import annotation_path, find_pairs, image_of, image_stem
from radiff.masks.measure import measure_objects
from radiff.masks.review import contact_sheet, draw_sheet
from radiff.masks.rg import Annotation, read_annotation, write_annotation

__all__ = [
    "BACKGROUND",
    "CLASSES",
    "COMPACT",
    "EXTENDED",
    "MASK_SUFFIXES",
    "NUM_CLASSES",
    "SPURIOUS",
    "YOLO_CLASSES",
    "AnnotateOptions",
    "Annotation",
    "MaskClass",
    "SourceObject",
    "annotate",
    "annotation_path",
    "check_mask",
    "class_name",
    "contact_sheet",
    "draw_sheet",
    "find_pairs",
    "from_coco",
    "image_of",
    "image_stem",
    "labels_to_objects",
    "mask_to_objects",
    "measure_objects",
    "objects_to_labels",
    "objects_to_mask",
    "parse_class",
    "read_annotation",
    "read_ds9",
    "read_mask",
    "read_png",
    "read_yolo",
    "to_coco",
    "write_annotation",
    "write_ds9",
    "write_mask",
    "write_png",
    "write_yolo",
    "yolo_lines",
]
