"""The challenge's second baseline: MobileNetV2 tells sections apart by patches of a spectrogram.

Notes
-----
The baseline of DCASE Challenge Task 2 of 2021 and 2022: patches of 64 frames every 8 frames, 128
bands, width 0.5, batches of 32; a clip's score is the mean of log((1 - p) / p) over its patches, p
the posterior of its section. It has a network for each machine and is trained for 20 passes over
all patches with a learning rate of 1e-5. Here one network tells the sections of all machines apart,
which needs no second section of a machine, and an epoch hears one random patch of each clip, at a
learning rate of 1e-3. Patches are cut before their frames are computed, so that the outermost
frames see their own patch mirrored, and cover the clip up to its end.
"""

from asd.back_ends import Value
from asd.representations.network import Network
from asd.systems.view import System, View

HOP_S = 512 / 16000
N_FRAMES, PATCH_HOP = 64, 8
NETWORK = Network(
    encoder="mobilenet",
    dim=1280,
    loss="softmax",
    mixup=0.0,
    classes="sections",
    epochs=100,
    batch_size=32,
    output="odds",
    clip_s=(N_FRAMES - 1) * HOP_S,
    hop_s=PATCH_HOP * HOP_S,
)

MOBILENET: dict[str, System] = {"mobilenet": (View(NETWORK, Value(), scaled=False),)}
