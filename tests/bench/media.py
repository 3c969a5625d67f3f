#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""media.py - reading files and moving streams beside what people use for it today, in one run

usage: BUILD=build media.py [PATTERN]     peers where they are installed: Pillow, torchvision, OpenCV,
                                          nibabel with scipy or torch, MONAI, tokenizers, zstd

Files are made by um-phantom. Each round runs ours, the peers and the limit in turn; medians of ROUNDS
are compared. Rows of one thread are CPU seconds of whole processes (ours) and of calls (peers), those
of two threads wall seconds. Prints run.sh's columns: work, ours, peer, ratio, limit, share.
"""
import importlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

warnings.filterwarnings("ignore")
os.environ.update(TOKENIZERS_PARALLELISM="false", RAYON_NUM_THREADS="1", OMP_NUM_THREADS="1")
ROUNDS = int(os.environ.get("ROUNDS", "5"))
BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
os.environ["PATH"] = BUILD + ":" + os.environ["PATH"]
PICTURES, VOLUMES = 8, 2
COPIES, LONG = (2, 3), 8  # as often is each read; LONG times that where memory taken once would show


def module(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def tool(*args):
    """CPU seconds of a process and its children; those of `sh -c` too"""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(args, check=True, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def wall(*args):
    start = time.perf_counter()
    subprocess.run(args, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def call(f):
    start = time.process_time()
    f()
    return time.process_time() - start


def floor(kind, files):
    return float(subprocess.run([BUILD + "/bench/floor", kind, *files], check=True, stdout=subprocess.PIPE).stdout)


def row(work, ours, peers, limit=None):
    """peers: name -> seconds as a function, or None where it is not installed"""
    if len(sys.argv) > 1 and sys.argv[1] not in work:
        return
    runs = {"ours": ours, **{k: f for k, f in peers.items() if f}, **({"limit": limit} if limit else {})}
    took = {k: [] for k in runs}
    for _ in range(ROUNDS):
        for k, f in runs.items():
            took[k].append(f())
    took = {k: statistics.median(v) for k, v in took.items()}
    us, low = took["ours"], took.get("limit")
    tail = f"{low:.3f}\t{low / us:.2f}" if low else "-\t-"
    for name, f in peers.items():
        if f:
            print(f"{work} : {name}\t{us:.3f}\t{took[name]:.3f}\t{took[name] / us:.2f}\t{tail}", flush=True)
        else:
            print(f"{work} : {name}\t{us:.3f}\tpeer missing\t-\t{tail}", flush=True)
    if not peers:
        print(f"{work}\t{us:.3f}\t-\t-\t{tail}", flush=True)


def manifest(path, rows):
    with open(path, "w", encoding="utf-8") as f:
        f.write("key\timage\n" + "".join(f"{i}\t{r}\n" for i, r in enumerate(rows)))
    return path


# ---- pictures ----

def fit(w, h):
    return max(1, 256 * w // max(w, h)), max(1, 256 * h // max(w, h))


def pictures(work):
    subprocess.run(["um-phantom", "-q", "-n", str(PICTURES), "--xray-size", "3000", "--pairs", "xray", "-o",
                    work + "/x"], check=True)
    files = sorted(f"{work}/x/xray/{f}" for f in os.listdir(work + "/x/xray")) * COPIES[0]
    table = manifest(work + "/x.tsv", files)
    image, cv2, tv = module("PIL.Image"), module("cv2"), module("torchvision")
    fn = module("torchvision.transforms.v2.functional") if tv else None
    if cv2:
        cv2.setNumThreads(1)
    if tv:
        importlib.import_module("torch").set_num_threads(1)

    def pillow(filter, draft=False):
        def work():
            for f in files:
                im = image.open(f)
                if draft:
                    im.draft("L", (512, 512))
                im.resize(fit(*im.size), getattr(image, filter)).tobytes()
        return (lambda: call(work)) if image else None

    def opencv():
        for f in files:
            im = cv2.imread(f, cv2.IMREAD_GRAYSCALE)
            cv2.resize(im, fit(*im.shape[::-1]), interpolation=cv2.INTER_AREA)

    def vision():
        for f in files:
            im = tv.io.read_image(f, tv.io.ImageReadMode.GRAY)
            fn.resize(im, list(fit(*im.shape[:0:-1]))[::-1], antialias=True)

    n = len(files)
    row(f"{n} JPEG of 3000 pixels to 256", lambda: tool("um-preprocess", "-qj1", table, "-o", "/dev/null"),
        {"Pillow BOX": pillow("BOX"), "Pillow BICUBIC": pillow("BICUBIC"),
         "torchvision": (lambda: call(vision)) if tv else None,
         "OpenCV INTER_AREA": (lambda: call(opencv)) if cv2 else None}, lambda: floor("entropy", files))
    row(f"{n} JPEG of 3000 pixels to 256, --fast-decode",
        lambda: tool("um-preprocess", "-qj1", "--fast-decode", table, "-o", "/dev/null"),
        {"Pillow draft, BOX": pillow("BOX", True)}, lambda: floor("entropy", files))


# ---- volumes ----

def volumes(work):
    subprocess.run(["um-phantom", "-q", "-n", str(VOLUMES), "--volume", "300x512x512", "--pairs", "ct", "-o",
                    work + "/v"], check=True)
    files = sorted(f"{work}/v/ct/{f}" for f in os.listdir(work + "/v/ct")) * COPIES[1]
    table = manifest(work + "/v.tsv", files)
    np, nib, ndi, torch = map(module, ("numpy", "nibabel", "scipy.ndimage", "torch"))
    monai = module("monai.transforms")

    def load(f):
        x = np.asarray(nib.load(f).dataobj, dtype=np.float32).T
        return np.clip((x + 1000) / 2000, 0, 1)

    def zoom():
        for f in files:
            x = load(f)
            ndi.zoom(x, [a / b for a, b in zip((32, 128, 128), x.shape)], order=1)

    def interpolate():
        for f in files:
            torch.nn.functional.interpolate(torch.from_numpy(load(f))[None, None], (32, 128, 128),
                                            mode="trilinear")

    def monais():
        chain = monai.Compose([monai.LoadImage(image_only=True, ensure_channel_first=True),
                               monai.ScaleIntensityRange(-1000, 1000, 0, 1, clip=True),
                               monai.Resize((128, 128, 32), mode="trilinear")])
        for f in files:
            chain(f)

    peers = {"nibabel + scipy zoom": (lambda: call(zoom)) if nib and ndi else None,
             "nibabel + torch": (lambda: call(interpolate)) if nib and torch else None,
             "MONAI": (lambda: call(monais)) if monai else None}
    row(f"{len(files)} x 512 x 512 x 300 .nii.gz to 32 x 128 x 128",
        lambda: tool("um-preprocess", "-qj1", table, "-o", "/dev/null"), peers, lambda: floor("inflate", files))
    files *= LONG
    table = manifest(work + "/long.tsv", files)
    row(f"{len(files)} x 512 x 512 x 300 .nii.gz, one after the other",
        lambda: tool("um-preprocess", "-qj1", table, "-o", "/dev/null"), {}, lambda: floor("inflate", files))
    row(f"{len(files)} x 512 x 512 x 300 .nii.gz, two threads, wall",
        lambda: wall("um-preprocess", "-qj2", table, "-o", "/dev/null"),
        {"one thread": lambda: wall("um-preprocess", "-qj1", table, "-o", "/dev/null")})


# ---- reports and streams ----

def reports(work):
    subprocess.run(["um-phantom", "-q", "-n", "300", "--xray-size", "64", "--pairs", "xray", "-o", work + "/r"],
                   check=True)
    with open(work + "/r/xray.tsv", encoding="utf-8") as f:
        head = f.readline().rstrip("\n").split("\t")
        texts = [line.rstrip("\n").split("\t")[head.index("report")] for line in f]
    texts *= 20000 // len(texts)
    with open(work + "/r.tsv", "w", encoding="utf-8") as f:
        f.write("key\treport\n" + "".join(f"{i}\t{t}\n" for i, t in enumerate(texts)))
    subprocess.run(["um-preprocess", "-q", work + "/r.tsv", "-o", work + "/r.umt"], check=True)
    subprocess.run(["um-tokenize", "-q", "--train-vocab", "2000", work + "/r.umt", "-o", work + "/vocab.txt"], check=True)
    hf = module("tokenizers")
    peer = None
    if hf:
        t = hf.BertWordPieceTokenizer(work + "/vocab.txt", lowercase=True)
        t.enable_truncation(112)
        t.enable_padding(length=112)
        peer = lambda: call(lambda: t.encode_batch(texts))
    row(f"{len(texts)} reports to ids, out of and into a stream",
        lambda: tool("um-tokenize", "-qj1", "--vocab", work + "/vocab.txt", work + "/r.umt", "-o", "/dev/null"),
        {"tokenizers": peer})


def cat(work):
    n = 600
    table = f"{work}/v/ct/" + sorted(os.listdir(work + "/v/ct"))[0]
    subprocess.run(["um-preprocess", "-q", "--size", "48x128x128", manifest(work + "/c.tsv", [table] * 4), "-o",
                    work + "/4.umt"], check=True)
    subprocess.run(["um-cat", "-q", "--prefix", ",".join(f"{i}-" for i in range(n // 4)), "-o", work + "/c.umt",
                    *[work + "/4.umt"] * (n // 4)], check=True)
    size = os.path.getsize(work + "/c.umt")
    row(f"um-cat of {n} volumes, {n * 48 * 128 * 128 * 4 / 1e9:.1f} GB, {size / 1e9:.1f} compressed, wall",
        lambda: wall("um-cat", "-q", work + "/c.umt", "-o", "/dev/null"),
        {"zstd -dc | zstd -1 -T2": lambda: wall("sh", "-c", f"zstd -dcq {work}/c.umt | zstd -1 -T2 -q >/dev/null")})


with tempfile.TemporaryDirectory() as folder:
    for part in (pictures, volumes, reports, cat):
        part(folder)
