"""Published weights: supernets, stages of their training, and single networks."""

from __future__ import annotations

from optuna_ofa._published_file import PublishedFile

HAN_CAI = "https://raw.githubusercontent.com/han-cai/files/a7c9bcd525e17404968bc55aa43772bf7e51909e"
_NO_LICENCE = "none stated"

# The content of these files was not available here. Their digests are those of Git's tree at the
# commit above, which identifies each file by them.
_SUPERNETS = {
    "ofa_mbv3_w1.0": (
        "ofa_mbv3_d234_e346_k357_w1.0",
        "55d835981d8acd1053657a951b18887a724ddcbf",
        "MobileNetV3 w1.0",
    ),
    "ofa_mbv3_w1.2": (
        "ofa_mbv3_d234_e346_k357_w1.2",
        "d75a3613bae216091f61fc4b7df77d49cc82ed32",
        "MobileNetV3 w1.2",
    ),
    "ofa_proxyless_w1.3": (
        "ofa_proxyless_d234_e346_k357_w1.3",
        "c97035a7a6fe611508f3bb35ffac0ef77262f5e0",
        "ProxylessNAS w1.3",
    ),
}

# `train_ofa_net.py` begins each phase with the file before it, in this order; all have width 1.0.
_STAGES = {
    "ofa_D4_E6_K7": (
        "9c60b31fa5644b9e7bdcf8699c0aee7d158c1ded",
        "the largest network alone, the teacher of the later phases",
    ),
    "ofa_D4_E6_K357": ("ff535e9214191e5d1b42abc513568711adc3898f", "elastic kernels"),
    "ofa_D34_E6_K357": (
        "3f5ab907bb525e7f3a7824f7fcc676d5438df4c6",
        "elastic kernels, depths 3 and 4",
    ),
    "ofa_D234_E6_K357": ("2a21a2adb611aa4858f99783b25381c4b1f75549", "elastic kernels and depths"),
    "ofa_D234_E46_K357": (
        "039f2ee82ca8b5b1ac90f8db7f2228fcc1162632",
        "elastic kernels and depths, expand ratios 4 and 6",
    ),
}

_NETWORKS = {
    "proxyless_cpu": ("373f6da51d0a4dccecc6f44eb9eb5b562e18e3b9", "for a CPU"),
    "proxyless_gpu": ("4783a278b25364291d8117a06c442cffbbd8b5a4", "for a GPU"),
    "proxyless_mobile": ("1d3c5de6f8c075aa17544e6479df613d442fc5ae", "for a phone"),
    "proxyless_mobile_14": ("a9a897527f5878f68468ab02d2f0a00fe72bbdab", "for a phone, width 1.4"),
}

# Git LFS stores this one. The file in its place in the repository names the SHA-256 of the content
# and its size, 192,773,235 bytes.
_RESNET50D = PublishedFile(
    name="ofa_resnet50",
    url=(
        "https://media.githubusercontent.com/media/han-cai/files/"
        "6538301bb44bfb69a507eea6a14ce2260225daf4/ofa/ofa_nets/"
        "ofa_resnet50_d0-1-2_e0.2-0.25-0.35_w0.65-0.8-1.0"
    ),
    sha256="3406a4c852f4573a58e9a01f35406baa4ad3787044ffadc6ea45571ad2b9123a",
    licence=_NO_LICENCE,
    description="Supernet of ResNet50D, 193 MB",
    kind="weights",
    supernets=("ofa_resnet50",),
)

WEIGHTS = (
    *(
        PublishedFile(
            name=family,
            url=f"{HAN_CAI}/ofa/ofa_nets/{file}",
            sha256="",
            licence=_NO_LICENCE,
            description=f"Supernet of {network}",
            kind="weights",
            supernets=(family,),
            git_blob=blob,
        )
        for family, (file, blob, network) in _SUPERNETS.items()
    ),
    _RESNET50D,
    *(
        PublishedFile(
            name=file,
            url=f"{HAN_CAI}/ofa/ofa_checkpoints/{file}",
            sha256="",
            licence=_NO_LICENCE,
            description=f"Stage of the training of MobileNetV3 w1.0: {what}",
            kind="weights",
            supernets=("ofa_mbv3_w1.0",),
            git_blob=blob,
        )
        for file, (blob, what) in _STAGES.items()
    ),
    *(
        PublishedFile(
            name=name,
            url=f"{HAN_CAI}/proxylessnas/{name}.pth",
            sha256="",
            licence=_NO_LICENCE,
            description=f"A single network, no supernet: that of ProxylessNAS {what}",
            kind="network",
            git_blob=blob,
        )
        for name, (blob, what) in _NETWORKS.items()
    ),
)
