"""The DICOM upper layer (PS3.8 9): one thread an association, C-STORE goes straight into the store.

As acceptor, pynetdicom encodes, negotiates and serves everything but C-STORE. Its private names that are used
here are held fast by `tests/node/upper_layer/test_contract.py`.
"""
