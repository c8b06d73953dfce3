"""Other systems that run the same model, measured beside Lathe: one file for each, and what they share.

To add one, write a class with the methods of `measure.Peer` and name it here.
"""

from .ctranslate import CTranslate2
from .llamacpp import LlamaCpp
from .measure import Peer
from .openvino import OpenVINO

PEERS: dict[str, type[Peer]] = {peer.name: peer for peer in (LlamaCpp, OpenVINO, CTranslate2)}
