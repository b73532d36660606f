"""Clusters embeddings of barcodes, like BIOSCAN-5M's reconstruction of BINs: UMAP to 50 dimensions (cosine), then agglomerative clustering (Ward).

    bins.py EMBEDDINGS.npy TABLE.tsv OUT.tsv --label dna_bin [--clusters N] [--neighbours 5] [--seed 42] [--no-umap] [--picture OUT.png]

EMBEDDINGS.npy and EMBEDDINGS.npy.ids.txt come from `findna embed RUN TABLE.tsv --output EMBEDDINGS.npy`, TABLE.tsv from `findna prepare --table`. OUT.tsv gets the
columns id, the label, and cluster, for `findna clusters OUT.tsv --label dna_bin`. --clusters defaults to the number of different labels. --no-umap clusters the
embeddings themselves, scaled to length 1. --picture draws them in the plane (UMAP to 2 dimensions, or with --no-umap the first two principal components), with the most
frequent labels in colour. Needs numpy and scikit-learn; umap-learn for UMAP; matplotlib for pictures.
"""
import argparse
import csv
import sys
from collections import Counter

import numpy
from sklearn.cluster import AgglomerativeClustering
from sklearn.decomposition import PCA

DIMENSIONS = 50  # of the space in which clusters are formed


def fail(text):
    sys.exit("bins.py: " + text)


def read_labels(path, column):
    with open(path, newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        if column not in (rows.fieldnames or []):
            fail(f"{path}: no column '{column}' in the header")
        return [(row["id"], row[column]) for row in rows]


def reduce(rows, options, dimensions):
    if options.no_umap:
        rows = rows / numpy.maximum(numpy.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return rows if dimensions > 2 else PCA(dimensions, random_state=options.seed).fit_transform(rows)
    try:
        import umap
    except ImportError:
        fail("umap-learn is not installed for this Python: install it, or use --no-umap")
    return umap.UMAP(n_components=dimensions, n_jobs=1, n_neighbors=options.neighbours, min_dist=0, metric="cosine", random_state=options.seed).fit_transform(rows)


def draw(rows, labels, options):
    try:
        import matplotlib
    except ImportError:
        fail("matplotlib is not installed for this Python: install it, or leave out --picture")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    plane = reduce(rows, options, 2)
    frequent = [name for name, _ in Counter(labels).most_common(10)]
    figure, axes = pyplot.subplots(figsize=(9, 7), constrained_layout=True)
    axes.scatter(*plane.T, s=3, color="0.8", linewidths=0)
    for name in frequent:
        axes.scatter(*plane[[i for i, label in enumerate(labels) if label == name]].T, s=8, linewidths=0, label=name)
    axes.legend(title=f"{options.label}, the 10 most frequent", fontsize=8, markerscale=2)
    axes.set(xticks=[], yticks=[], title=f"{len(rows)} sequences, {'principal components' if options.no_umap else 'UMAP, cosine'}")
    figure.savefig(options.picture, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("embeddings")
    parser.add_argument("table")
    parser.add_argument("output")
    parser.add_argument("--label", default="dna_bin")
    parser.add_argument("--clusters", type=int, default=0)
    parser.add_argument("--neighbours", type=int, default=5)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--no-umap", action="store_true")
    parser.add_argument("--picture")
    options = parser.parse_args()
    rows = numpy.load(options.embeddings)
    with open(options.embeddings + ".ids.txt") as file:
        ids = file.read().splitlines()
    table = read_labels(options.table, options.label)
    if len(ids) != len(rows):
        fail(f"{options.embeddings}: {len(rows)} rows, but {len(ids)} names in its .ids.txt")
    if ids != [name or str(i + 1) for i, (name, _) in enumerate(table)]:  # a row without an id is named by its number
        fail(f"{options.embeddings}: its rows are not those of {options.table}, in their order: embed that table")
    labels = [label for _, label in table]
    named = [i for i, label in enumerate(labels) if label]
    if len(named) < 2:
        fail(f"{options.table}: fewer than two of the embeddings have a '{options.label}'")
    count = options.clusters or len({labels[i] for i in named})
    clusters = AgglomerativeClustering(n_clusters=count, linkage="ward").fit_predict(reduce(rows[named].astype(numpy.float64), options, DIMENSIONS))
    print(f"{count} clusters of {len(named)} sequences")
    with open(options.output, "w", newline="") as file:
        out = csv.writer(file, delimiter="\t", lineterminator="\n")
        out.writerow(["id", options.label, "cluster"])
        out.writerows([ids[i], labels[i], cluster] for i, cluster in zip(named, clusters))
    if options.picture:
        draw(rows[named].astype(numpy.float64), [labels[i] for i in named], options)


main()
