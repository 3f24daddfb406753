"""The published files that are offered by name: their URLs and digests."""

from __future__ import annotations

from optuna_ofa._published_file import PublishedFile as PublishedFile
from optuna_ofa._published_weights import HAN_CAI, WEIGHTS

_GITHUB = "https://raw.githubusercontent.com"
_ONCE_FOR_ALL = f"{_GITHUB}/mit-han-lab/once-for-all/698a5c10b434172056a565b340c46ce11df18629"
_NSGANETV2 = f"{_GITHUB}/mikelzc1990/nsganetv2/949322a56a454e6a9812bae0ef55e149ebeabd3d"
_FASHION_MNIST = (
    f"{_GITHUB}/zalandoresearch/fashion-mnist/068f28faedbf281578743d682543a8fb9f15f4a0/data/fashion"
)


# The digests were computed from copies of the files at the commits above, because their authors
# publish no list of digests. A mismatch therefore means "not the file this package was tested
# with". Those of the weights come from Git.
_NOTE10_SHA256 = {
    160: "a2671a45e9400542679ed03de946b45d6a35010f9ab21834af3e7ba8341d36d1",
    164: "146c34f116ea2dd6b0a421e3b9b3b1a106ba2817c928e7c66a0b58703946f7ea",
    168: "08c833755d446cb65a6224e0fed7ef71be29709bfd2aa12009d4b645e37b4ce4",
    172: "dead1205668fec983c8d7d8445d2dc3afe30a617917218becc90a8b3b8e72a57",
    176: "34223ae037d5719a5f33261bdfd9341f590a2999edf520f174309605dc06307c",
    180: "a4c43390a41c6affec5c0d2f927cd671a7d99341dbcb0178876794d9683d8ef6",
    184: "94e0b62a291cc8d77a980478edc96d4ab4b6fe9b0209bc87d296bd2812ccd3d3",
    188: "2f33a119bf5d4218fd390b785d3d03fd52b3522c77f58b751ff38f01a249fbd0",
    192: "0ff5ca0649e56ad34a42d6a8a6f20adb5121c8d12d135299397b310472db79e2",
    196: "80217a43dc40c8ce45b54c4cd60d58a79ee091015035f0d4388a09c192074bab",
    200: "4bb6703197777ac01483cbe6340979dc8090ed6471c3f47d4e08749e523d4c53",
    204: "129a4ee3f46f2b732f93c43dc04540c864adcc68e5f495ab0b183dc748fead43",
    208: "41aa63af766a8298354e6aa5ae69d512ac68656a6e7d0a4fa5dc725c8d438633",
    212: "cacb0d9f262e1e029c39a639acb856b16d16cbd7db365056ee7bc55bbb41d417",
    216: "bbb64c0be7b420139d92a79757923e7b4c5d8d61730a90995d1ab51f6f718939",
    220: "75b0954b2fa678b5b2422b3edbc51983609a9a441d77fe4bb68888da8bb8984e",
    224: "c13a9bcb3f4becae844bce4897129c4e42975984c1029cbd5acb48c970136530",
}

# These files have the MD5 sums that their authors publish in the README of that commit.
_FASHION_MNIST_SHA256 = {
    "train-images-idx3": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}

PUBLISHED = (
    *(
        PublishedFile(
            name="note10",
            url=f"{_ONCE_FOR_ALL}/tutorial/checkpoints/latency_table@note10/{r}_lookup_table.yaml",
            sha256=sha256,
            licence="MIT",
            description=f"Samsung Note10 block latencies, MobileNetV3 w1.2 at resolution {r}",
            device="Samsung Note10",
            supernets=("ofa_mbv3_w1.2",),
            resolutions=(r,),
        )
        for r, sha256 in _NOTE10_SHA256.items()
    ),
    PublishedFile(
        name="i7-8700k",
        url=f"{_NSGANETV2}/data/i7-8700K_lut.yaml",
        sha256="4cd187ee5466802099f502a4d496cbee270a0b21862351722a527dc3a43f85e6",
        licence="Apache-2.0",
        description="Desktop CPU block latencies, MobileNetV3 w1.0 and w1.2, resolutions 96..256",
        device="Intel Core i7-8700K",
        supernets=("ofa_mbv3_w1.0", "ofa_mbv3_w1.2"),
        resolutions=(96, 256),
    ),
    PublishedFile(
        name="mobile_trim",
        url=f"{HAN_CAI}/proxylessnas/mobile_trim.yaml",
        sha256="087e855ea77f9b257e72f3637333a3e0938f6df77f579520f16d057ac45380aa",
        licence="none stated",
        description="Phone block latencies of ProxylessNAS at resolution 224",
        device="the phone of ProxylessNAS",
        resolutions=(224,),
    ),
    PublishedFile(
        name="ofa_mbv3_w1.2_accuracy",
        url=f"{_ONCE_FOR_ALL}/tutorial/checkpoints/acc_predictor.pth",
        sha256="48685122a3540636b06699af66cd816456b25f29b69563e2fda9bed4018eeba0",
        licence="MIT",
        description="Accuracy predictor of MobileNetV3 w1.2, 128 inputs",
        kind="accuracy",
    ),
    PublishedFile(
        name="ofa_resnet50_accuracy",
        url=f"{HAN_CAI}/ofa/ofa_resnet50_acc_predictor.pth",
        sha256="68912b4b4be38feb504c5b773dc847af23a637984d5eaabf548de72cd0f79529",
        licence="none stated",
        description="Accuracy predictor of ResNet50D, 82 inputs",
        kind="accuracy",
    ),
    *(
        PublishedFile(
            name="fashion_mnist",
            url=f"{_FASHION_MNIST}/{part}-ubyte.gz",
            sha256=sha256,
            licence="MIT",
            description=f"Fashion-MNIST, {part}: 28x28 greyscale images of clothes, ten classes",
            kind="images",
        )
        for part, sha256 in _FASHION_MNIST_SHA256.items()
    ),
    *WEIGHTS,
)


def published() -> tuple[PublishedFile, ...]:
    """Return every file that :func:`optuna_ofa.fetch` offers by name.

    Each has its address, its licence and the digest that it is checked against
    (``digest_kind``).
    """
    return PUBLISHED
