"""The languages that a patient may speak first, as the later edition of the contract names them."""

from typing import Final

# fmt: off
LANGUAGES: Final = (
    "english", "spanish", "vietnamese", "tagalog", "chinese", "arabic", "korean", "punjabi",
    "russian", "other", "unknown", "cantonese", "hmong", "mandarin_chinese", "abkhazian", "afar",
    "afrikaans", "akan", "albanian", "amharic", "aragonese", "armenian", "assamese", "avaric",
    "avestan", "aymara", "azerbaijani", "bambara", "bashkir", "basque", "belarusian", "bengali",
    "bihari", "bislama", "bosnian", "breton", "bulgarian", "burmese", "catalan", "chamorro",
    "chechen", "chewa", "chuvash", "cornish", "corsican", "cree", "croatian", "czech", "danish",
    "maldivian", "dutch", "dzongkha", "esperanto", "estonian", "ewe", "faroese", "fijian",
    "finnish", "french", "fulah", "galician", "georgian", "german", "greek", "guarani", "gujarati",
    "haitian", "hausa", "hebrew", "herero", "hindi", "hiri_motu", "hungarian", "indonesian",
    "irish", "igbo", "inupiaq", "ido", "icelandic", "italian", "inuktitut", "japanese", "javanese",
    "greenlandic", "kannada", "kanuri", "kashmiri", "kazakh", "central_khmer", "kikuyu",
    "kinyarwanda", "kyrgyz", "komi", "kongo", "kurdish", "kwanyama", "latin", "luxembourgish",
    "ganda", "limburgish", "lingala", "lao", "lithuanian", "luba_katanga", "latvian", "manx",
    "macedonian", "malagasy", "malay", "malayalam", "maltese", "maori", "marathi", "marshallese",
    "mongolian", "nauru", "navajo", "north_ndebele", "nepali", "ndonga", "norwegian_bokmal",
    "norwegian_nynorsk", "norwegian", "nuosu", "south_ndebele", "occitan", "ojibwa", "oromo",
    "oriya", "ossetian", "pali", "persian", "polish", "pashto", "portuguese", "quechua", "romansh",
    "rundi", "romanian", "sanskrit", "sardinian", "sindhi", "northern_sami", "samoan", "sango",
    "serbian", "gaelic", "shona", "sinhalese", "slovak", "slovenian", "somali", "southern_sotho",
    "sundanese", "swahili", "swati", "swedish", "tamil", "telugu", "tajik", "thai", "tigrinya",
    "tibetan", "turkmen", "tswana", "tonga", "turkish", "tsonga", "tatar", "twi", "tahitian",
    "uyghur", "ukrainian", "urdu", "uzbek", "venda", "volapuk", "walloon", "welsh", "wolof",
    "western_frisian", "xhosa", "yiddish", "yoruba", "chuang", "zului",
)
# fmt: on
