"""One mechanism for the pages of every kind of object: what a kind declares, and what follows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, ClassVar, Generic, TypeVar

from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import ApiError, problem
from almoner.pages.forms.controls import FieldView
from almoner.pages.forms.inputs import Input
from almoner.pages.forms.problems import by_field, missing_as
from almoner.pages.objects.views import Link, NewSecret, ObjectContext, Offer, RowGroup, Tab
from almoner.pages.route import PageRoute
from almoner.pages.visit import Form, Visit
from almoner.vocabulary.kinds import Problems

T = TypeVar("T")
P = TypeVar("P", bound="ObjectPages[Any]")
Values = dict[str, Any]
Step = Callable[[Any], Awaitable[Response]]


class ObjectPages(Generic[T]):
    """The pages of a kind of object; made for each request. A subclass declares what the kind is.

    ``may`` opens all of them, ``key`` is the open part of an object's address, ``layout`` the
    template around them. ``list_template``, ``form_template`` and ``page_template`` draw what the
    common ones cannot know. What is sent is done in one transaction, and shown again with what is
    wrong where it is refused.

    ``actions`` are by the end of their address what is said once they are done; the method of the
    same name does it, and answers by itself where nothing is said. They are for what is in use, but
    for those that can be done ``always``; ``edit`` is that of the form. ``is_created_in_list``: a
    new one is made by a form of the list. ``submits`` are the buttons of the form of a new object
    and of one that is there, ``remarks`` stand beside them; ``created`` and ``saved`` are said when
    these were sent. ``shows`` is as of ``PageRoute``.
    """

    path: ClassVar[str]
    may: ClassVar[str]
    layout: ClassVar[str]
    title: ClassVar[str]
    noun: ClassVar[str]
    missing: ClassVar[str] = "There is no such {} in your environment."
    key: ClassVar[str] = "id"
    list_template: ClassVar[str] = "pages/objects/list.html"
    form_template: ClassVar[str] = "pages/objects/form.html"
    page_template: ClassVar[str] = ""
    edit: ClassVar[str] = "edit"
    is_created_in_list: ClassVar[bool] = False
    submits: ClassVar[tuple[str, str]] = ("Create", "Save")
    remarks: ClassVar[tuple[str, str]] = ("", "")
    created: ClassVar[str] = ""
    saved: ClassVar[str] = ""
    offers_title: ClassVar[str] = "What can be done"
    shows: ClassVar[str] = "patients"
    actions: ClassVar[Mapping[str, str]] = {}
    always: ClassVar[Collection[str]] = ()
    subject: T

    def __init__(self, visit: Visit, connection: Connection, form: Form) -> None:
        self.visit, self.connection, self.form = visit, connection, form
        self.owner, self.by = visit.environment_id, visit.by
        self.errors: Mapping[str, str] = {}
        self.status = 200
        self.is_new = True

    # What a kind says of itself.

    async def frame(self) -> Any:
        """What the layout shows around the pages."""
        return None

    async def groups(self) -> Sequence[RowGroup]:
        """The objects as their list shows them."""
        raise NotImplementedError

    async def tabs(self) -> Sequence[Tab]:
        """The parts of the list to choose from."""
        return ()

    async def find(self, key: str) -> T:
        """The object of this environment that an address names. Raises a 404 ApiError."""
        raise NotImplementedError

    def named(self) -> tuple[str, str]:
        """The end of the object's address, and what people call it."""
        subject: Any = self.subject
        return subject.id, subject.name

    def unusable(self) -> str:
        """Why nothing can be done with it any more, as a sentence; blank where something can."""
        return ""

    @cached_property
    def inputs(self) -> Sequence[Input]:
        """The fields of the form; none where it is not made or changed by one."""
        return ()

    async def stored(self) -> Values:
        """What the form begins with: that of a new object, or of the one that is there."""
        return {}

    async def hidden(self) -> Sequence[tuple[str, str]]:
        """The hidden fields that say what the form is made from."""
        return ()

    def check(self, values: Values, problems: Problems) -> None:
        """Adds to what was read of a form, and its problems, what no field says by itself."""

    async def create(self) -> Response:
        """Makes the object of ``values``. Raises ApiError where something does not fit."""
        raise NotImplementedError

    async def change(self) -> Response:
        """The same of an object that is there."""
        raise NotImplementedError

    async def view(self) -> Any:
        """What the page of an object shows of it."""
        return None

    async def beside(self) -> Any:
        """What its form shows besides the fields."""
        return await self.view()

    def form_title(self) -> str:
        """The title of the form."""
        return f"New {self.noun}" if self.is_new else f"Change {self.named()[1]}"

    def crumbs(self) -> Sequence[Link]:
        """What leads back from the object's page."""
        return [Link(self.path, self.title)]

    def offers(self, view: Any) -> Iterable[Offer]:
        """What can be done with the object, as its page offers it, of what the page shows."""
        return ()

    # The pages.

    @cached_property
    def values(self) -> Values:
        """What was sent, as the API takes it: blank is nothing."""
        return {control.name: control.value(self.form) for control in self.inputs}

    @property
    def here(self) -> str:
        """The address of the object, or of the list."""
        return self.path if self.is_new else f"{self.path}/{self.named()[0]}"

    def go(self, done: str = "") -> Response:
        """On to the page of the object, which says what was done."""
        return self.visit.go(f"{self.here}?done={done}" if done else self.here)

    async def show_list(self) -> Response:
        """The list."""
        new = Link(f"{self.path}/new", f"New {self.noun}", tone="primary")
        return await self._page(
            self.list_template,
            self.title,
            groups=await self.groups(),
            tabs=await self.tabs(),
            new=new if self._is_created() and not self.is_created_in_list else None,
            controls=await self._controls() if self.is_created_in_list else {},
            remark=self.remarks[0],
        )

    async def show_form(self) -> Response:
        """The form of a new object, or of one that is there."""
        self._require_usable(self.edit)
        crumbs = [Link(self.path, self.title)]
        if not self.is_new and self.page_template:
            crumbs.append(Link(self.here, self.named()[1]))
        return await self._page(
            self.form_template,
            self.form_title(),
            crumbs=crumbs,
            action=self.path if self.is_new else f"{self.here}/{self.edit}",
            controls=await self._controls(),
            hidden=await self.hidden(),
            submit=self.submits[not self.is_new],
            remark=self.remarks[not self.is_new],
            view=await self.beside(),
        )

    async def show(self, secret: NewSecret | None = None, view: Any = None) -> Response:
        """The page of the object; with what is shown once, and its view where it is read
        already.
        """
        view = view or await self.view()
        return await self._page(
            self.page_template or "pages/objects/object.html",
            self.named()[1],
            crumbs=self.crumbs(),
            offers=list(self.offers(view)),
            offers_title=self.offers_title,
            secret=secret,
            view=view,
        )

    async def back(self) -> Response:
        """Where an answer to a form was shown, loading it again shows the object without it."""
        return self.go()

    @classmethod
    def routes(cls) -> tuple[PageRoute, ...]:
        """Where the pages answer: list, forms and an object where there are such, each action."""
        here = f"{cls.path}/{{{cls.key}}}"
        again = cls.show_list if cls.is_created_in_list else cls.show_form
        routes = []
        if cls.groups is not ObjectPages.groups:
            routes += [cls.get(cls.path, cls.show_list)]
        if cls._is_created():
            routes += [cls.post(cls.path, cls._create, again)]
            if not cls.is_created_in_list:
                routes += [cls.get(f"{cls.path}/new", cls.show_form)]
        if cls.change is not ObjectPages.change:
            routes += [cls.get(f"{here}/{cls.edit}", cls.show_form)]
            routes += [cls.post(f"{here}/{cls.edit}", cls._change, cls.show_form)]
        if cls.page_template:
            routes += [cls.get(here, cls.show)]
        for name in cls.actions:
            routes += [cls.post(f"{here}/{name}", partial(cls._act, name=name), cls.show)]
            routes += [cls.get(f"{here}/{name}", cls.back)]
        return tuple(routes)

    @classmethod
    def get(cls, path: str, show: Step, background: bool = False) -> PageRoute:
        """A page that is looked at; ``background`` as of ``PageRoute``."""
        answer = partial(cls._looked_at, show)
        return PageRoute(path, answer, may=cls.may, background=background, shows=cls.shows)

    @classmethod
    def _is_created(cls) -> bool:
        return cls.create is not ObjectPages.create

    @classmethod
    def post(cls, path: str, step: Step, again: Step) -> PageRoute:
        """What is sent; ``again`` shows it with what is wrong."""
        answer = partial(cls._sent, step, again)
        return PageRoute(path, answer, may=cls.may, methods=("POST",), shows=cls.shows)

    @classmethod
    async def asked(cls: type[P], visit: Visit, connection: Connection) -> P:
        """The pages for a request. Raises a 404 ApiError where its address names no object."""
        pages = cls(visit, connection, await visit.form())
        if cls.key in visit.request.path_params:
            with missing_as(cls.missing.format(cls.noun)):
                pages.subject, pages.is_new = await pages.find(visit.path(cls.key)), False
        return pages

    @classmethod
    async def _looked_at(cls, show: Step, visit: Visit) -> Response:
        async with visit.connection() as connection:
            return await show(await cls.asked(visit, connection))

    @classmethod
    async def _sent(cls, step: Step, again: Step, visit: Visit) -> Response:
        try:
            async with visit.transaction() as connection:
                return await step(await cls.asked(visit, connection))
        except ApiError as refused:
            errors, status = by_field(refused), refused.status
        async with visit.connection() as connection:
            pages = await cls.asked(visit, connection)
            pages.errors, pages.status = errors, status
            return await again(pages)

    async def _create(self) -> Response:
        self._check()
        return await self.create()

    async def _change(self) -> Response:
        self._require_usable(self.edit)
        self._check()
        return await self.change()

    async def _act(self, name: str) -> Response:
        self._require_usable(name)
        answer: Response | None = await getattr(self, name.replace("-", "_"))()
        return answer or self.go(name)

    def _check(self) -> None:
        problems: Problems = []
        for control in self.inputs:
            control.check(self.values[control.name], problems)
        self.check(self.values, problems)
        if problems:
            raise ApiError(problems)

    def _require_usable(self, action: str) -> None:
        if not (self.is_new or action in self.always) and (why := self.unusable()):
            raise problem("not_found", why)

    async def _controls(self) -> dict[str, FieldView]:
        values = self.values if self.errors else await self.stored()
        errors = self.errors
        return {c.name: c.view(values.get(c.name), errors.get(c.name, "")) for c in self.inputs}

    async def _page(self, template: str, title: str, **context: Any) -> Response:
        words = {**self.actions, "made": self.created, "changed": self.saved}
        context_of = ObjectContext(
            layout=self.layout,
            frame=await self.frame(),
            title=title,
            path=self.here,
            done=words.get(self.visit.query("done"), ""),
            form=self.form,
            errors=self.errors,
            **context,
        )
        return self.visit.page(template, context_of, self.status)
