"""What the page asks for to train a model on corrected cells: `TrainDoor`."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from seamwise_web.answers import Handler, RefusalError, download, read_json, shown_place
from seamwise_web.jobs import Jobs
from seamwise_web.offers import Offer, Shelf
from seamwise_web.pictures import Limits, Pictures
from seamwise_web.training import LEAST_STEPS, MOST_STEPS, Training, Trainings, train_on


class TrainDoor:
    """The open trainings, and a method for each kind of request.

    Parameters
    ----------
    pictures : Pictures
    jobs : Jobs
    shelf : Shelf
        Models to begin with; what is trained joins them.
    limits : Limits
    """

    def __init__(self, pictures: Pictures, jobs: Jobs, shelf: Shelf, limits: Limits) -> None:
        self._pictures, self._jobs, self._shelf = pictures, jobs, shelf
        self._trainings = Trainings(limits, shelf)

    def close_all(self) -> None:
        """Forget all trainings and their files."""
        self._trainings.close_all()

    def handlers(self) -> list[tuple[str, str, Handler]]:
        """Return way, path and answer of each kind of request."""
        one = "/api/trainings/{training}"
        return [
            ("POST", "/api/trainings", self.open),
            ("GET", one, self.training),
            ("DELETE", one, self.close),
            ("POST", f"{one}/pictures", self.add),
            ("POST", f"{one}/train", self.train),
            ("GET", f"{one}/model.safetensors", self.model),
        ]

    async def open(self, request: Request) -> Response:
        """Begin a training without images."""
        return JSONResponse(self._trainings.open().description())

    async def training(self, request: Request) -> Response:
        """Describe a training."""
        return JSONResponse(self._training(request).description())

    async def close(self, request: Request) -> Response:
        """Forget a training and its files."""
        self._trainings.close(request.path_params["training"])
        return JSONResponse({})

    async def add(self, request: Request) -> Response:
        """Add an open image with its cells."""
        training, key = self._training(request), (await read_json(request)).get("picture")
        if not isinstance(key, str):
            raise RefusalError(400, "picture must be the key of an open image")
        picture = self._pictures.find(key)
        place = picture.place(*shown_place(request))
        await run_in_threadpool(training.add, picture, place)
        return JSONResponse(training.description())

    async def train(self, request: Request) -> Response:
        """Begin to train; or continue a run that was cancelled, if `resume` is true."""
        training, fields = self._training(request), await read_json(request)
        if not training.names:
            raise RefusalError(409, "there is nothing to learn from: add an image first")
        if training.is_busy:
            raise RefusalError(409, "the model is being trained: wait, or cancel")
        is_resumed = fields.get("resume") is True
        if is_resumed and not training.can_resume:
            raise RefusalError(409, "no run can be resumed: train from the beginning")
        if not is_resumed:
            training.begin(
                _for_planes(self._shelf.asked(fields.get("model"))), _steps(fields.get("steps"))
            )
        work = train_on(training, is_resumed=is_resumed)
        training.job = self._jobs.add(work, is_training=True)
        return JSONResponse(training.description())

    async def model(self, request: Request) -> Response:
        """Answer the file of the model."""
        training = self._training(request)
        offer = training.offer
        if offer is None:
            raise RefusalError(409, "the model is not trained yet: train it")
        content = await run_in_threadpool(offer.path.read_bytes)
        training.is_saved = True
        return download(content, "corrected.safetensors", "application/octet-stream")

    def _training(self, request: Request) -> Training:
        return self._trainings.find(request.path_params["training"])


def _for_planes(offer: Offer) -> Offer:
    """Return a model to begin with, which learns from planes here."""
    if offer.ndim != 2:
        raise RefusalError(
            409, f"{offer.name} is for stacks: choose a model for planes, or use `seamwise train`"
        )
    return offer


def _steps(value: object) -> int | None:
    """The number of steps of a request; None for one that suits the images."""
    if value is None:
        return None
    if type(value) is int and LEAST_STEPS <= value <= MOST_STEPS:  # a bool is none
        return value
    raise RefusalError(400, f"steps must be a whole number from {LEAST_STEPS} to {MOST_STEPS}")
