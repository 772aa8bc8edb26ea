"""What coded values of HL7 v2 are in the words of the collections; a code that says nothing of what
a field may hold has no word.
"""

from __future__ import annotations

from typing import Final

from almoner.resources.patients import patients
from almoner.vocabulary.choices import Choice

# PID-8, table 0001. Ambiguous, not applicable and unknown say nothing that could be written down.
SEXES: Final = {"F": "Female", "M": "Male", "O": "Other"}
# PID-15. Table 0296 leaves the codes to the sender; what they are nearly always is ISO 639-1, or
# 639-2 of either list. In pairs with the contract's word.
_CODES: Final = """
bh bihari cv chuvash fj fijian kr kanuri
aa afar ab abkhazian ae avestan af afrikaans ak akan am amharic an aragonese ar arabic as assamese
av avaric ay aymara az azerbaijani ba bashkir be belarusian bg bulgarian bi bislama bm bambara
bn bengali bo tibetan br breton bs bosnian ca catalan ce chechen ch chamorro co corsican cr cree
cs czech cy welsh da danish de german dv maldivian dz dzongkha ee ewe el greek en english
eo esperanto es spanish et estonian eu basque fa persian ff fulah fi finnish fo faroese fr french
fy western_frisian ga irish gd gaelic gl galician gn guarani gu gujarati gv manx ha hausa he hebrew
hi hindi ho hiri_motu hr croatian ht haitian hu hungarian hy armenian hz herero id indonesian
ig igbo ii nuosu ik inupiaq io ido is icelandic it italian iu inuktitut ja japanese jv javanese
ka georgian kg kongo ki kikuyu kj kwanyama kk kazakh kl greenlandic km central_khmer kn kannada
ko korean ks kashmiri ku kurdish kv komi kw cornish ky kyrgyz la latin lb luxembourgish lg ganda
li limburgish ln lingala lo lao lt lithuanian lu luba_katanga lv latvian mg malagasy mh marshallese
mi maori mk macedonian ml malayalam mn mongolian mr marathi ms malay mt maltese my burmese na nauru
nb norwegian_bokmal nd north_ndebele ne nepali ng ndonga nl dutch nn norwegian_nynorsk no norwegian
nr south_ndebele nv navajo ny chewa oc occitan oj ojibwa om oromo or oriya os ossetian pa punjabi
pi pali pl polish ps pashto pt portuguese qu quechua rm romansh rn rundi ro romanian ru russian
rw kinyarwanda sa sanskrit sc sardinian sd sindhi se northern_sami sg sango si sinhalese sk slovak
sl slovenian sm samoan sn shona so somali sq albanian sr serbian ss swati st southern_sotho
su sundanese sv swedish sw swahili ta tamil te telugu tg tajik th thai ti tigrinya tk turkmen
tl tagalog tn tswana to tonga tr turkish ts tsonga tt tatar tw twi ty tahitian ug uyghur
uk ukrainian ur urdu uz uzbek ve venda vi vietnamese vo volapuk wa walloon wo wolof xh xhosa
yi yiddish yo yoruba za chuang zh chinese zu zului
ara arabic ben bengali bos bosnian chi chinese zho chinese cmn mandarin_chinese yue cantonese
hmn hmong cze czech ces czech dut dutch nld dutch eng english fre french fra french ger german
deu german gre greek ell greek guj gujarati hat haitian heb hebrew hin hindi hrv croatian
hun hungarian arm armenian hye armenian ita italian jpn japanese khm central_khmer kor korean
lao lao nav navajo nep nepali per persian fas persian pol polish por portuguese pan punjabi
rum romanian ron romanian rus russian smo samoan som somali spa spanish srp serbian swa swahili
tam tamil tel telugu tgl tagalog tha thai tir tigrinya tur turkish ukr ukrainian urd urdu
vie vietnamese yid yiddish
"""
_WORDS: Final = dict(zip(_CODES.split()[::2], _CODES.split()[1::2], strict=True))


def language(*names: str) -> str:
    """The contract's word for a language that a sender names by code or by name; the first that is
    known of several, blank where none is. A region behind a code (``en-US``) is left out.
    """
    kind = patients.field("primary_language").kind
    assert isinstance(kind, Choice)
    for text in names:
        name = text.strip().lower().replace("_", "-")
        word = name.replace("-", "_").replace(" ", "_")
        if word in kind.values and word != "unknown":
            return word
        if name.partition("-")[0] in _WORDS:
            return _WORDS[name.partition("-")[0]]
    return ""
