"""What the demo's people are called: names of many languages and scripts."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class DemoName:
    """A name as its bearer writes it, and how it is spelt with the letters a to z."""

    text: str
    latin: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Given and family names that go together; ``share`` is how often they occur, compared to other
    origins.

    ``language``: what some of the people prefer to write in.
    """

    share: int
    first: tuple[DemoName, ...]
    family: tuple[DemoName, ...]
    language: str


# Letters that have no plain letter inside them, unlike é, which is an e with a mark.
_PLAIN: Final = "ø=o Ø=O ł=l Ł=L đ=d Đ=D ß=ss æ=ae Æ=Ae ı=i þ=th Þ=Th ð=d ə=e Ə=E œ=oe"
_SPELT: Final = str.maketrans(dict(pair.split("=") for pair in _PLAIN.split()))


def _latin(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.translate(_SPELT)).lower()
    return "".join(c for c in plain if c.isascii() and (c.isalnum() or c == "-"))


def _names(text: str) -> tuple[DemoName, ...]:
    """``Zoë, 李=Li``: names between commas, with their spelling behind ``=`` where they are not of
    the Latin script.
    """
    names = []
    for entry in text.split(","):
        name, _, spelt = " ".join(entry.split()).partition("=")
        names.append(DemoName(name, _latin(spelt or name)))
    return tuple(names)


def _origins(text: str) -> tuple[Origin, ...]:
    """``26 en | first names | family names``: how often, and in which language, over any lines."""
    origins = []
    for entry in re.split(r"\n(?=    \d)", text.strip("\n").rstrip()):
        share_and_language, first, family = entry.split("|")
        share, language = share_and_language.split()
        origins.append(Origin(int(share), _names(first), _names(family), language))
    return tuple(origins)


ORIGINS: Final = _origins("""
    26 en
      | James, Mary, Robert, Patricia, John, Linda, Michael, Barbara, Karen, Thomas, Sarah,
        Charles, Nancy, Daniel, Betty, Anthony, Margaret, Mark, Sandra, Steven, Ashley,
        Joshua, Emily, Kevin, Donna, Brian, Michelle, Carol, Amanda, Gary, Rebecca, Eric,
        Sharon, Jonathan, Cynthia, Larry, Kathleen, Scott, Mary Ann, J. R., Jo, Ty,
        Bartholomew
      | Smith, Johnson, Williams, Brown, Jones, Davis, Miller, Wilson, Anderson, Taylor,
        Moore, Jackson, Martin, Thompson, White, Harris, Clark, Lewis, Walker, Hall, Young,
        King, Wright, Scott, Green, Baker, Adams, Nelson, Hill, Carter, Ng-Whitfield,
        Featherstonehaugh, St. John, Saint-Clair Beaumont, Fox, Ash, Lee,
        Winterbottom-Harcourt
    9 en
      | Aaliyah, Darnell, Keisha, Tyrone, Imani, DeShawn, Latoya, Jamal, Ebony, Marcus,
        Tanisha, Terrence, Nia, Andre, Shanice, D'Andre, Monique, Malik, La'Tasha, Xavier
      | Washington, Jefferson, Freeman, Booker, Banks, Coleman, Dorsey, Gaines, Hampton,
        Mosley, Rivers, Tubbs, Prince
    16 es
      | María-José, José, Guadalupe, Juan Carlos, Sofía, Jesús, Ximena, Ángel, Lucía, Iñaki,
        Begoña, Andrés, Inés, Héctor, Concepción, Raúl, Yolanda, Víctor, Mónica, Joaquín,
        Esperanza, Óscar, Nuria, Álvaro
      | García, Rodríguez, Hernández, Martínez, López, González, Pérez, Sánchez, Ramírez,
        Núñez, Muñoz, Peña, Ibáñez, de la Cruz, García-Márquez, Fernández de Córdoba, Ortiz
        y Gasset, Zúñiga, Villaseñor, Etxeberria, Ríos
    4 en
      | João, Beatriz, Antônio, Conceição, Luís, Inês, Gonçalo, Thaís, Caetano, Fátima
      | da Silva, dos Santos, Conceição, Araújo, Gonçalves, Magalhães, Brandão, de Assis e
        Moura, Vasconcelos, Sá
    4 en
      | Siobhán, Seán, Aoife, Niamh, Pádraig, Caoimhe, Tadhg, Róisín, Fionnuala, Eoghan
      | O'Brien, Ó Súilleabháin, O'Connor, Mac Giolla Phádraig, McLaughlin, Ní Dhomhnaill,
        Fitzgerald, O'Shea, Dunne
    4 fr
      | François, Zoë, Hélène, Loïc, Anne-Sophie, Jean-Baptiste, Chloé, Étienne, Solène,
        Maëlle, Agnès, Benoît
      | Lefèvre, Dubois, Saint-Exupéry, Côté, L'Heureux, Béland-Thériault, de Montgolfier,
        Garçon, Noël, Hébert
    4 en
      | Jürgen, Björn, Käthe, Günther, Annelörchen, Matthias, Ursel, Wolfgang, Heike, Jörg,
        Lieselotte
      | Müller, Groß, Schröder, Weiß, Wolfeschlegelsteinhausenbergerdorff, von der
        Leyen-Ziethen, Köhler, Fuß, Jäger
    3 en
      | Ólafur, Sigríður, Þórdís, Håkon, Åsa, Søren, Märta, Ingibjörg, Väinö, Aino, Bjørn,
        Guðrún
      | Guðmundsson, Jónsdóttir, Ødegård, Sjöström, Nyström, Mäkelä, Hämäläinen, Kjærgaard,
        Þorsteinsson, Åkerlund
    3 en
      | Łukasz, Małgorzata, Zdzisław, Agnieszka, Jiří, Věra, Božena, Šimon, Žofie, Grzegorz
      | Wiśniewski, Kowalczyk, Brzęczyszczykiewicz, Dvořák, Novák, Šťastný, Żółkiewski,
        Říha, Wójcik
    2 en
      | Mihály, Ágnes, Győző, Ștefan, Ioana, Răzvan, Dušan, Đorđe, Željka, Nikolina
      | Szűcs, Kővári, Nagy-Horváth, Ionescu, Bălănescu, Đurđević, Živković, Šarić
    2 en
      | Ayşe, Çağlar, İbrahim, Gülşen, Işıl, Oğuz, Leyla, Ömer
      | Yılmaz, Öztürk, Çelik, Şahin, Kılıç, Güneş, Doğan
    5 en
      | Nguyệt, Thị Hồng, Văn Hùng, Minh Châu, Đức, Quỳnh Anh, Hạnh, Bảo, Thanh Tâm, Phương
      | Nguyễn, Trần, Lê, Phạm, Huỳnh, Võ, Đặng, Bùi, Ngô
    4 en
      | Priya, Arjun, Ananya, Venkataraghavan, Lakshmi, Sanjay, Deepika, Mohammed Faisal,
        Harpreet, Chandrasekhar, Om
      | Patel, Sharma, Iyer, Singh, Kaur, Venkatanarasimharajuvaripeta, Chatterjee, Reddy,
        Subramaniam, Khan, D'Souza
    3 en
      | Malia, Keoni, Kawika, Leilani, Nāmaka, Kahoʻolani, Tavita, Sina
      | Kealoha, Kamehameha-Nāone, Kaʻahumanu, Keihanaikukauakahihuliheekahaunaele,
        Tuiasosopo, Faʻasavalu
    2 en
      | Dezba, Hosteen, Winona, Tallulah, Ahiga, Kachina, Chayton, Nizhoni
      | Begay, Yazzie, Tsosie, Black Elk, Two Bulls, Whitehorse, Benally, Runs Above
    4 en
      | Oluwaseun, Chidinma, Kwame, Adaeze, Ngozi, Thandiwe, Sipho, Wanjikũ, Abebe,
        Tẹ́mítọ́pẹ́, Chukwuemeka, Aïssatou
      | Okafor, Adéyẹmí, Mensah, Nkrumah, Dlamini, Oyelaran-Oyeyinka, Njoroge, N'Diaye,
        Ogunbanjo, Tesfaye
    3 en
      | Layla, Yusuf, Abd al-Rahman, Fatima al-Zahra, Omar, Noor, Tariq, Hanan
      | Haddad, al-Masri, El-Sayed, Khoury, Nassar, bin Rashid, Abu-Jamous, Darwish
    3 en
      | Maria Clara, Jejomar, Dalisay, Bayani, Ma. Lourdes, Ligaya, Crisanto
      | Dela Cruz, Bautista, Macapagal, Pangilinan, Batongbacal, Panganiban, Sy
    3 en
      | 明=Ming, 秀英=Xiuying, 伟=Wei, 小红=Xiaohong, 建国=Jianguo, 雨桐=Yutong, 志强=Zhiqiang
      | 李=Li, 王=Wang, 张=Zhang, 陈=Chen, 欧阳=Ouyang, 刘=Liu, 司馬=Szema
    2 en
      | 지우=Jiwoo, 민준=Minjun, 서연=Seoyeon, 영숙=Youngsook, 현우=Hyunwoo
      | 김=Kim, 이=Yi, 박=Park, 최=Choi, 남궁=Namgung, 정=Jung
    2 en
      | さくら=Sakura, 健太=Kenta, 美咲=Misaki, 翔=Sho, ハルカ=Haruka, 節子=Setsuko
      | 佐藤=Sato, 鈴木=Suzuki, 勅使河原=Teshigawara, 田中=Tanaka, 渡邉=Watanabe
    2 en
      | Олена=Olena, Дмитрий=Dmitry, Наталія=Nataliia, Святослав=Sviatoslav,
        Анастасия=Anastasia, Юрій=Yurii
      | Шевченко=Shevchenko, Кузнецов=Kuznetsov, Римский-Корсаков=Rimsky-Korsakov,
        Ющенко=Yushchenko, Ким=Kim
    1 en
      | Ελένη=Eleni, Κωνσταντίνος=Konstantinos, Σοφία=Sofia, Γιώργος=Giorgos
      | Παπαδόπουλος=Papadopoulos, Παπαδημητρακόπουλος=Papadimitrakopoulos,
        Νικολάου=Nikolaou
    1 en
      | محمد=Mohammed, فاطمة=Fatima, عبد الرحمن=Abdulrahman, ليلى=Layla, שרה=Sarah,
        אברהם=Avraham
      | الحداد=Alhaddad, عبد الله=Abdullah, المصري=Almasri, כהן=Cohen, בן־דוד=Ben-David
    1 en
      | प्रिया=Priya, अर्जुन=Arjun, லட்சுமி=Lakshmi, สมชาย=Somchai, อรุณี=Arunee, አበበ=Abebe,
        ნინო=Nino, Արամ=Aram
      | शर्मा=Sharma, पटेल=Patel, ராமன்=Raman, ศรีสุวรรณ=Srisuwan, ተስፋዬ=Tesfaye,
        ბერიძე=Beridze, Պետրոսյան=Petrosyan
    """)


SHARES: Final = tuple(o.share for o in ORIGINS)
