"""Parallel work over patients."""

import signal

from SpectBoneMetSegTrainingLib.common.parallel import parallel_map


def handlers(_):
    return signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)


def test_processes_leave_ctrl_c_to_their_parent():
    found = list(parallel_map(handlers, range(4), 2))
    assert found == [(signal.SIG_IGN, signal.SIG_DFL)] * 4
    assert list(parallel_map(handlers, range(1), 2)) == [handlers(0)]
