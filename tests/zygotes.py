"""Zygotes that all tests of a process share: starting one imports torch, which takes two seconds."""

from eplb_evolve.sandbox import Zygote


class Lent:
    """A running zygote for one borrower: `close` ends the borrower's workers only."""

    def __init__(self, zygote):
        self._zygote, self._workers = zygote, []

    def __getattr__(self, name):
        return getattr(self._zygote, name)

    def spawn(self, program, limits):
        worker = self._zygote.spawn(program, limits)
        self._workers.append(worker)
        return worker

    def close(self):
        for worker in self._workers:
            worker.close()
        self._workers.clear()


class Zygotes:
    """Called as Zygote is; one per level, and a twin, once it is asked for."""

    def __init__(self):
        self._running = {}

    def __call__(self, highest="full", device="cpu", twin=False):
        if device != "cpu":
            return Zygote(highest, device, twin)
        running = self._running.get((highest, twin))
        if running is None or running._process.poll() is not None:
            self._running[highest, twin] = Zygote(highest, twin=twin)
        return Lent(self._running[highest, twin])

    def close(self):
        for zygote in self._running.values():
            zygote.close()
