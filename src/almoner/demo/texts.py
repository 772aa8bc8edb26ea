"""What the demo's people write to each other, and the care flows that workers follow with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class DemoMessage:
    """One message of a dialogue: ``outbound`` is from a worker, ``automatic`` from a program in the
    worker's name.

    ``text`` may hold ``{first}`` (the patient), ``{coach}`` (the worker), ``{day}`` and ``{n}`` (a
    small number)."""

    outbound: bool
    automatic: bool
    text: str


Dialogue = tuple[DemoMessage, ...]


def _dialogues(text: str) -> tuple[Dialogue, ...]:
    """Lines that begin with ``>`` (a worker), ``!`` (sent by a program) or ``<`` (the patient); an
    empty line between two.
    """
    return tuple(
        tuple(
            DemoMessage(line[0] != "<", line[0] == "!", line[2:].replace("\\n", "\n"))
            for line in block.splitlines()
        )
        for block in "\n".join(line.strip() for line in text.strip().splitlines()).split("\n\n")
    )


WELCOMES: Final = _dialogues("""
    ! Welcome to Kiwi Health, {first}! Your coach will write to you here shortly. Reply STOP at any time to end messages.
    > Hello {first}, I am {coach}, and I will be your coach. How are you today?
    < Hi {coach}, doing ok. My doctor's office said you would be in touch
    > I am glad it worked. Is {day} morning a good time for a first call of about half an hour?
    < Mornings are hard because of work. After 4 would be better.
    > After 4 it is. You will get a reminder the day before.
    < 👍

    > Good morning {first}, this is {coach} from Kiwi Health. Dr. Amari's office asked us to reach out to you.
    < Who is this please
    > {coach}, a health coach. We help people keep an eye on their health between visits. It costs you nothing.
    < Oh yes. The nurse mentioned something like that.
    > Would you like to hear more in a short call? You can decide afterwards.
    < Sure, call me {day}

    ! Hi {first}, your place at Kiwi Health is ready. Open the app to fill in the welcome questions; it takes about {n} minutes.
    < I did the questions but the page with my plan said error
    > Sorry about that, {first}. I have your answers except the plan. Which one is on your card?
    < Silver I think. The card is gray so silver?
    > Ha, the word should be printed under your name. No hurry.
    < Yes it says SILVER

    > Hello {first}, {coach} here. I tried to call you and left a short message. Is this a good number for texts?
    """)
GENERAL: Final = _dialogues("""
    > How did the walks go this week, {first}?
    < Only did {n}. It rained and my knee is acting up
    > {n} is more than last month! What was different on the days when it worked?
    < I went with my neighbor. We just talked and forgot the time
    > That sounds like something to build on. Could the two of you pick a fixed day?
    < She is free on {day}s. I'll ask her
    > Wonderful. Tell me how it goes.

    < Can I move my appointment, something came up at work
    > Of course. I have {day} at 10:30 or at 3. Which suits you?
    < 3 please
    > Done. You do not need to do anything else.

    ! Reminder: you have a call with {coach} on {day}. Reply C to confirm or R to pick another time.
    < C

    ! Reminder: you have a call with {coach} on {day}. Reply C to confirm or R to pick another time.
    < R
    > Hi {first}, no problem. When would you rather talk?
    < end of next week? I'm visiting my brother in Coeur d'Alene until then
    > Enjoy the trip! I will look for a time next Friday and send it to you.

    > I have not heard from you for a while, {first}. Is everything all right?
    > No pressure to answer at length. A thumbs up is enough.
    < Sorry. Rough couple of weeks. My mother is in the hospital
    > I am so sorry to hear that. Please look after yourself too. Would a call help, or would you rather have some quiet?
    < Quiet for now. But thank you for asking, it means a lot
    > Then I will check in on {day} and not before. You can write at any hour.

    < I slept {n} hours last night!!! First time in months
    > That is great news! What do you think helped?
    < no phone in the bedroom. I hated it for 3 days and now I like it
    > Well done for sticking with it through the hard days.

    > Last time you wanted to cook at home {n} times a week. How realistic does that feel now?
    < Honest answer? Not very. By the time I'm home the kids are starving
    > Thank you for being honest. What would make one evening easier?
    < Maybe if I cooked double on Sunday
    > Double on Sunday, then. Shall I send you two recipes that keep well?
    < Yes!! Nothing with eggplant 😅
    > No eggplant, promised.

    < Do you know if the clinic on 3rd takes my insurance
    > I will find out and write to you by {day}.
    > They do, {first}. The copay for a visit is on the back of your card.
    < thank you thank you

    > Congratulations on {n} weeks without a cigarette, {first}!
    < I almost gave in on Saturday. Went for a run around the block instead
    > That urge and how you met it: that is the whole skill. How do you feel about the coming weekend?
    < Nervous, there's a wedding. But I have a plan
    > Tell me the plan?
    < Gum, and my cousin knows not to offer me one

    < The app logged me out again and I can't remember the password
    > Tap "Send me a link" below the password and a new one comes by e-mail.
    < got it. works now

    > {first}, would you fill in the short survey in the app before our call on {day}?
    < did it this morning on the bus
    > Thank you! I see that your energy went up by {n} points. We should talk about why.

    < i feel like nothing i do makes a difference
    > That sounds discouraging, {first}, and I am glad that you told me. What has this week been like?
    < just tired of all of it. the measuring the pills the food
    > It is a lot to carry. If you could put down one piece of it for a week, which would it be?
    < the food diary
    > Then put it down until {day}. We will look at the rest together. And if the low mood gets heavier, please call me or 988.
    < ok. thanks for not lecturing me
    """)
# What is said to those who would rather not write English.
BY_LANGUAGE: Final = {
    "es": _dialogues("""
        > Hola {first}, soy {coach} de Kiwi Health. ¿Prefiere que le escriba en español o en inglés?
        < En español por favor. Mi hija me ayuda con el teléfono
        > Con mucho gusto. ¿Le viene bien una llamada el martes por la tarde?
        < Sí, después de las tres. Gracias

        > Buenos días {first}, ¿cómo le fue con las caminatas?
        < Caminé {n} días con mi hermana 💪
        > ¡Qué bueno! ¿Y las medicinas, las tomó todas?
        < Se me olvidó el domingo, nada más
        > Gracias por decírmelo. Tome la de hoy como siempre, sin doblar la dosis.
        """),
    "fr": _dialogues("""
        > Bonjour {first}, c'est {coach} de Kiwi Health. Votre médecin nous a demandé de vous contacter.
        < Ah oui, il m'en avait parlé. On peut s'écrire en français ?
        > Avec plaisir. Jeudi matin, cela vous irait pour un premier appel ?
        < Parfait, à jeudi

        > Bonjour {first}, votre questionnaire est bien arrivé. Souhaitez-vous en parler au téléphone ?
        < Oui merci, plutôt le matin si possible
        """),
}
BY_CONDITION: Final = {
    "diabetes": _dialogues("""
        > Good morning {first}! How were the glucose readings this week?
        < Mostly 120 to 150 before breakfast. One was 212 😬
        > Thank you for sending all of them, also the 212. Do you remember the evening before?
        < birthday cake. two pieces
        > Birthdays happen, and it came down again by itself. Nothing to fix there.

        < My hands were shaking at work and I felt weird
        > Please measure now if you can, and have juice or glucose tablets if it is below 70. What does it say?
        < 64
        > Then 15 grams of sugar: half a cup of juice. Measure again in 15 minutes and write to me.
        < 91 now. Feeling better
        > Good. Eat something with protein within the hour. I will let Dr. Amari know, and we will go over your doses on {day}.

        > Your last A1c was 7.{n}. You brought it down from 9.1 in half a year, {first}.
        < I can't believe it. My doctor was smiling for once
        > What are you proudest of?
        < that I stopped being afraid of the needle

        < is fruit ok or not? everyone tells me something else
        > Whole fruit is fine for most people with diabetes, about the size of your fist at a time. Juice is another matter.
        < what about mango. asking for a friend
        > Tell your friend: half a mango, and a short walk after. 🥭
        """),
    "hypertension": _dialogues("""
        > {first}, you planned to measure your blood pressure {n} mornings this week. How did it go?
        < 148/92, 151/90, 139/88. the cuff pinches
        > Thank you! The cuff may be a size too small. How far is it around your upper arm?
        < 15 inches
        > Then you need the large one. I will have it sent to you.
        < will it cost anything
        > No, it is part of the program.

        < 182 over 110!!
        > Sit down for five minutes, feet on the floor, and measure again. Any chest pain, trouble seeing or speaking, weakness?
        < no none of that. just ran up the stairs. now 154/94
        > That is much better. Please rest before you measure next time. If it is above 180 again at rest, call your doctor at once.

        > How is the cooking with less salt, {first}?
        < my husband complains but he eats it
        > What do you use instead?
        < lime and cumin and a LOT of garlic
        > I may have to try that myself.

        < forgot my pills on the trip, {n} days without
        > Thank you for telling me. Take today's as usual, no double dose. How do you feel?
        < fine. bit of a headache
        > Let us put a spare set into your travel bag. I am putting it on the list for {day}.
        """),
    "heart_failure": _dialogues("""
        < up {n} pounds since Friday
        > Thank you for telling me right away, {first}. Are you short of breath, or are your ankles swollen?
        < socks leave marks. breathing ok
        > I am calling the heart clinic now. Please stay near your phone.
        > They would like you to take the extra water pill as on your plan, and to weigh yourself tomorrow before breakfast.
        < down 2 this morning
        > That is what we hoped for. Same again tomorrow, please.

        > How many pillows do you sleep on at the moment?
        < still two
        > Good. If it becomes three, write to me the same day.

        > {first}, did the scale arrive?
        < yes but it speaks to me in kilos
        > There is a small button on the underside that switches to pounds.
        < found it. now it thinks I am on a diet

        < walked to the mailbox and back without stopping!!
        > {first}! A month ago that was your goal for the summer.
        < my grandson timed me. 4 minutes
        > Frame it. What is the next goal?
        < the corner store. they have peach ice cream... low salt right? 😇
        """),
}


@dataclass(frozen=True, slots=True)
class DemoStep:
    """An intervention: what is to be done, how (null where it speaks for itself), and whether a
    worker does it.
    """

    title: str
    instructions: str | None
    by_worker: bool


@dataclass(frozen=True, slots=True)
class DemoFlow:
    """A care flow as a worker starts it."""

    description: str
    diagnosis: str | None
    goals: tuple[tuple[str, tuple[DemoStep, ...]], ...]


def _flows(text: str) -> tuple[DemoFlow, ...]:
    """Blocks of ``description | diagnosis``, goals after ``*``, steps after ``-`` (``-w`` where a
    worker does them).
    """
    flows = []
    for block in "\n".join(line.strip() for line in text.strip().splitlines()).split("\n\n"):
        first, *rest = block.splitlines()
        goals: list[tuple[str, list[DemoStep]]] = []
        for line in rest:
            mark, _, what = line.partition(" ")
            title, _, how = what.partition(" | ")
            if mark == "*":
                goals.append((title, []))
            else:
                goals[-1][1].append(DemoStep(title, how or None, mark == "-w"))
        description, _, diagnosis = first.partition(" | ")
        flows.append(
            DemoFlow(
                description, diagnosis or None, tuple((goal, tuple(steps)) for goal, steps in goals)
            )
        )
    return tuple(flows)


FLOWS: Final = {
    "diabetes": _flows("""
        bring the A1c below 7.5 | type 2 diabetes, last A1c above target
        * Know the numbers
        -w Hand out a glucose meter | Show how it works with the first reading together; leave the spare battery.
        - Measure before breakfast for two weeks | Write down the reading and what dinner was.
        * Eat in a way that lasts
        -w Book a nutrition consult
        - Swap one sugary drink a day for water
        - Try the plate method on three evenings | Half vegetables, a quarter protein, a quarter starch.
        * Stay in touch with the doctor
        -w Send the readings to the practice before the next visit | Summary of four weeks, with the lows marked.

        keep feet and eyes healthy | diabetes for more than ten years
        * Catch trouble early
        - Look at both feet every evening | Use a mirror for the soles. Call about any sore that does not heal in two days.
        -w Arrange the yearly eye exam | Ask whether a ride is needed: pupils will be wide.
        """),
    "hypertension": _flows("""
        blood pressure at home below 130/80 | high blood pressure, two medicines
        * Measure well
        -w Check the size of the cuff
        - Measure on five mornings a week | Sit quietly for five minutes, feet flat, arm at the height of the heart.
        * Less salt
        - Read the label of everything in the kitchen once
        - Cook one new low-salt dish a week
        * Never run out of medicine
        -w Ask the pharmacy for 90-day refills

        move more, gently | blood pressure above target at the last two visits
        * Make a plan
        -w Decide together on a kind of movement | Whatever the patient already likes; start from what they did last month.
        - Ten minutes after lunch, three days a week
        """),
    "heart_failure": _flows("""
        stay out of the hospital this winter | heart failure, admitted within the past six months
        * See fluid coming
        - Weigh every morning | After the bathroom, before breakfast, in similar clothes. Call at 3 pounds in a day or 5 in a week.
        -w Explain the extra water pill
        * Medicines as prescribed
        -w Review all bottles on a video call | Have the discharge list at hand, and look for doubles.
        - Set up a pill box for the week
        * People to lean on
        -w Ask who can come along to visits
        """),
    "general": _flows("""
        sleep through the night
        * Find out what keeps you up
        - Keep a sleep diary for ten days
        -w Go through the diary together | Listen for pain, worry and late caffeine.

        quit smoking | smokes daily, wishes to stop
        * Get ready
        - Choose a day to stop
        -w Ask the doctor about patches or medicine
        * Hold on
        -w Call on the day itself, and on the third, seventh and fourteenth day after | Short calls. Praise what worked.
        - Tell three people about it

        find steady support at home | lives alone, few contacts
        * Know what there is
        -w Look up meal delivery and rides in the county
        - Call one old friend this week
        """),
}
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
IN_YOUR_WORDS: Final = (
    *(
        "Went well: the mornings. Hard: everything after 6 pm.",
        "Grandkids were here all week, so lots of movement!",
    ),
    *(
        "I forgot to fill this in last week, sorry.",
        "La semana fue tranquila. Caminé con mi hermana.",
        "tired",
    ),
    *(
        "Feeling stronger. The stairs don't scare me anymore.\nStill not sleeping through.",
        "New job, new schedule, no routine yet.",
    ),
)
BEST_PARTS: Final = (
    *(
        "My coach remembers what I said last time.",
        "That I can write at night and nobody minds.",
        "Der freundliche Ton.",
    ),
    *("The scale that talks", "Short calls, no lectures."),
)
TO_CHANGE: Final = (
    *(
        "Fewer reminders please!",
        "The app logs me out too often.",
        "More recipes without meat.",
        "Nothing, keep going",
    ),
    *("Evening appointments would help people who work shifts.",),
)
NOTES: Final = (
    "with food",
    "take in the evening; makes dizzy in the morning",
    "runs out around the 20th",
    "generic is fine",
)
PLACES_OF_PAIN: Final = (
    "lower back",
    "both knees",
    "left shoulder",
    "feet, at night",
    "cabeza",
    "all over",
)
