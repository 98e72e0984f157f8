"""Sentences of European languages that point out of themselves, and sentences near to them that do not."""

from __future__ import annotations

import re

import pytest

from smart_train.pairs import leaning, named_subject
from smart_train.pairs.leaning import leans, links
from smart_train.pairs.named_subject import refers_back
from smart_train.pairs.pointing import end_of_showing, germanic, other_european, romance, slavic
from smart_train.pairs.pointing.languages import languages_of
from smart_train.pairs.words import words_of

EUROPEAN = {**germanic.LANGUAGES, **romance.LANGUAGES, **slavic.LANGUAGES, **other_european.LANGUAGES}
del EUROPEAN["English"]
# A connective, a demonstrative, a pronoun where the language has one, and what sends the reader elsewhere.
LEANING = {
    "German": [
        "Auch wird im Winter Öl in die Pumpen gefüllt",
        "Die Pumpen der Stadt hängen von jenem Ventil ab",
        "Im Winter wird er mit Öl und mit Wasser gefüllt",
        "Nachstehende Pumpen sind für den Winter geeignet",
        "Bei dessen Ausfall füllt die Stadt die Pumpen von Hand",
        "Unter anderem sind die Pumpen im Winter mit Öl zu füllen",
    ],
    "French": [
        "Pourtant les pompes de Lyon sont remplies en hiver",
        "Les villes font cela avec une pompe de fer",
        "Grâce à lui les pompes de la ville sont remplies",
        "Les pompes sont remplies comme indiqué dans la notice",
    ],
    "Spanish": [
        "Por lo tanto las bombas de la ciudad son de hierro",
        "Las bombas de dicha ciudad se llenan en invierno",
        "En invierno él llena las bombas de la ciudad",
        "El aceite se llena como muestra la figura",
        "Las bombas de la ciudad usan este aceite en invierno",
        "Las bombas de la ciudad usan aquellas válvulas de hierro",
    ],
    "Portuguese": [
        "No entanto as bombas da cidade são de ferro",
        "A válvula dessas bombas não é de ferro",
        "No inverno eles enchem as bombas da cidade",
        "As bombas supracitadas são de ferro e não de aço",
        "Com esse óleo as bombas da cidade são cheias",
        "As bombas da cidade usam este óleo no inverno",
        "As bombas da cidade usam aquelas válvulas de ferro",
    ],
    "Italian": [
        "Di conseguenza le pompe della città sono di ferro",
        "La valvola di tale pompa non è di ferro",
        "In inverno egli riempie le pompe della città",
        "Le pompe si riempiono come indicato nella figura",
    ],
    "Catalan": [
        "Per tant les bombes de la ciutat són de ferro",
        "La vàlvula d'aquesta bomba és de ferro amb els cargols",
        "A l'hivern ells omplen les bombes amb oli",
        "Les bombes són obertes amb aquells cargols de ferro",
        "Les bombes s'omplen com es descriu més avall per als pous",
    ],
    "Romanian": [
        "De asemenea pompele din oraș sunt de fier",
        "Supapa acestei pompe este de fier și se umple cu ulei",
        "Iarna ele sunt umplute cu ulei în oraș",
        "Pompele menționate mai sus sunt de fier",
    ],
    "Dutch": [
        "Bovendien worden de pompen in de winter gevuld",
        "De stad koopt dergelijke pompen voor de winter",
        "In de winter worden ze met olie gevuld",
        "De bovenstaande pompen zijn van ijzer en niet van staal",
        "De stad koopt dit ijzer voor de pompen",
    ],
    "Swedish": [
        "Dock fylls pumparna i staden med olja",
        "Ventilen i detta hus är av järn och inte av stål",
        "På vintern fyller han pumparna med olja",
        "Pumparna fylls med olja som det visas nedan",
    ],
    "Danish": [
        "Derimod fyldes pumperne i byen med olie",
        "Ventilen i denne pumpe er af jern og ikke af stål",
        "Om vinteren fylder han pumperne med olie",
        "De ovenstående pumper er af jern og ikke af stål",
    ],
    "Norwegian": [
        "Derimot fylles pumpene i byen med olje",
        "Ventilen i denne pumpen er av jern og ikke av stål",
        "Om vinteren fyller han pumpene med olje",
        "Pumpene som er nevnt ovenfor er av jern",
    ],
    "Finnish": [
        "Toisaalta kaupungin pumput ovat rautaa ja terästä",
        "Kaupungin pumput täytetään tällä öljyllä ennen talvea",
        "Talvella hän täyttää pumput öljyllä ja vedellä",
        "Oheisen taulukon pumput ovat rautaa ja terästä",
    ],
    "Polish": [
        "W ten sposób pompy są napełniane olejem",
        "Pompy są napełniane takim olejem na zimę",
        "Zimą napełnia on pompy olejem i wodą",
        "Powyższe pompy są z żelaza i nie ze stali",
    ],
    "Czech": [
        "Kromě toho se čerpadla v zimě plní olejem",
        "Čerpadla se plní tímto olejem na zimu",
        "V zimě jim stačí olej a voda ve městě",
        "Výše zmíněná čerpadla jsou ze železa",
    ],
    "Slovak": [
        "Okrem toho sa čerpadlá v zime plnia olejom",
        "Čerpadlá sa plnia týmto olejom na zimu",
        "V zime im stačí olej a voda vo mestách",
        "Čerpadlá sú zo železa, pozri prílohu na konci",
    ],
    "Slovene": [
        "Poleg tega se črpalke pozimi polnijo z oljem",
        "Takšne črpalke se pozimi polnijo z oljem",
        "Pozimi jih mesto napolni z oljem in z vodo",
        "Zgoraj omenjene črpalke so iz železa",
    ],
    "Croatian": [
        "Osim toga se pumpe u zimi pune uljem",
        "Ventil ove pumpe je od željeza i nije od čelika",
        "Zimi ga grad puni uljem koje nije od pumpe",
        "Gore navedene pumpe su od željeza",
    ],
    "Ukrainian": [
        "Натомість насоси міста заповнюють взимку",
        "Насоси міста заповнюють таким мастилом до зими",
        "Взимку його заповнюють мастилом і водою",
        "Вищезгадані насоси міста є залізними",
    ],
    "Russian": [
        "Впоследствии насосы города заполняют маслом",
        "Клапан данного насоса сделан из железа",
        "Зимой ими пользуются все жители города",
        "Насосы, которые показаны на рисунке, стоят в городе",
    ],
    "Bulgarian": [
        "Освен това помпите на града се пълнят през зимата",
        "Клапанът на тази помпа е от желязо и не от стомана",
        "През зимата той пълни помпите на града с масло",
        "Гореописаните помпи са от желязо и не от стомана",
    ],
    "Greek": [
        "Συνεπώς οι αντλίες της πόλης γεμίζουν το χειμώνα",
        "Η βαλβίδα τέτοιων αντλιών είναι από σίδερο",
        "Για παράδειγμα οι αντλίες γεμίζουν με λάδι",
        "Οι παρακάτω αντλίες της πόλης είναι από σίδερο",
    ],
    "Hungarian": [
        "Ugyanakkor a város szivattyúi vasból vannak",
        "A város ezekkel a szivattyúkkal emeli a vizet",
        "Télen ők töltik fel a szivattyúkat olajjal",
        "A fenti szivattyúk vasból vannak és nem acélból",
    ],
    "Turkish": [
        "Öte yandan şehrin pompaları kışın yağ ile doldurulur",
        "Şehir kışın bunları yağ ve su ile doldurur",
        "Kışın onlar pompaları yağ ile doldurur",
        "Aşağıdaki pompalar demir değil çelik olarak yapılır",
    ],
    "Estonian": [
        "Seejärel täidetakse linna pumbad talveks õliga",
        "Linna pumbad on sellise õliga täidetud kuni kevadeni",
        "Talvel täidab tema pumbad õliga ja veega",
        "Ülaltoodud pumbad on rauast või terasest",
    ],
    "Latvian": [
        "Turklāt pilsētas sūkņus ziemā pilda ar eļļu",
        "Pilsēta pērk šos sūkņus un pilda ar eļļu",
        "Ziemā viņš pilda sūkņus ar eļļu un ar ūdeni",
        "Iepriekš minētie sūkņi ir no dzelzs",
    ],
    "Lithuanian": [
        "Tačiau miesto siurbliai yra iš geležies",
        "Miestas perka šiuos siurblius ir pildo su alyva",
        "Žiemą jis pildo siurblius su alyva ir vandeniu",
        "Toliau pateikti siurbliai yra iš geležies",
    ],
}
# A word that points within its sentence or ahead in it, "also" of another kind, an ordinary word of the same letters.
STANDING = {
    "German": [
        "Auch wenn es friert, sind die Pumpen im Winter offen",
        "Der Winter in Lyon ist für die Pumpen kalt",
        "Pumpen auf der rechten Seite der Stadt sind rot",
        "Hiermit bestellt die Stadt Lyon vier Pumpen für den Winter",
    ],
    "French": [
        "Les pompes sont en fer dans une ville telle que Lyon",
        "De même que Nice, Lyon remplit les pompes avec du fer",
        "Aussi longtemps que Lyon gèle, les pompes sont vides",
        "Les pompes du musée sont à droite de la mairie",
    ],
    "Spanish": [
        "Después de la lluvia las bombas de Lyon se llenan",
        "Las bombas son de hierro en una ciudad tal como Lyon",
        "Aquel que llena las bombas de Lyon es el alcalde",
        "Gire a la derecha en la plaza de las bombas de Lyon",
        "Las bombas del este de la ciudad de Lyon son de hierro",
        "Las bombas son para aquellas ciudades en las que hay hierro",
    ],
    "Portuguese": [
        "Depois da chuva as bombas da cidade de Lyon são de ferro",
        "Logo que chove em Lyon, as bombas da cidade são cheias",
        "Aqueles que enchem as bombas da cidade são de Lyon",
        "As bombas daqueles que vivem em Lyon são de ferro",
        "Cidades tais como Lyon não são de ferro nem do Estado",
    ],
    "Italian": [
        "Quelli che riempiono le pompe della città sono di Lione",
        "Che cosa è una pompa della città di Lione",
        "In seguito alla pioggia le pompe di Lione sono piene",
        "La portata di Lione è quella di una pompa degli anni trenta",
    ],
    "Catalan": [
        "Després de la pluja les bombes amb oli són a Lió",
        "Aquells que omplen les bombes són els veïns de Lió",
        "A més de Lió, Niça omple les bombes amb oli",
        "Les bombes són a la dreta del riu de Lió amb els pous",
    ],
    "Romanian": [
        "Acel care umple pompele din Lyon este primarul și nu altul",
        "Pompele sunt de fier și se află la dreapta podului",
        "În plină iarnă pompele din Lyon sunt umplute cu ulei",
        "Orașul Lyon este cel care umple pompele cu ulei",
    ],
    "Dutch": [
        "Zo snel mogelijk worden de pompen van Lyon gevuld",
        "De stad die pompen van ijzer maakt, is Lyon",
        "Lyon meldt dat de pompen van ijzer zijn",
        "De pompen van Lyon staan rechts van het station",
    ],
    "Swedish": [
        "Även om det fryser är pumparna i Lyon fulla av olja",
        "Vid montering av pumpar i Lyon måste detta ske med olja",
        "Det är Lyon som fyller pumparna med olja",
        "Lyon har sådana pumpar som fylls med olja",
    ],
    "Danish": [
        "Det er Lyon som fylder pumperne med olie",
        "Den røde pumpe i Lyon er af jern og ikke af stål",
        "Lyon fylder pumperne sådan at de ikke ruster",
        "I stedet for olie har pumperne i Lyon vand",
    ],
    "Norwegian": [
        "Det er Lyon som fyller pumpene med olje",
        "Den røde pumpen i Lyon er av jern og ikke av stål",
        "Lyon fyller pumpene slik at de ikke ruster",
        "I tillegg til olje har pumpene i Lyon vann",
    ],
    "Finnish": [
        "Lyonin pumput ovat rautaa ja täytetään ennen talvea",
        "Pumput ovat oikealla puolella kun joki jäätyy",
        "Lyon sanoo sen mukaan onko talvi kylmä ja milloin pumput ovat täynnä",
        "Kaupunki on Lyon ja pumppu on rautaa",
    ],
    "Polish": [
        "Ten kto napełnia pompy w Lyonie, jest burmistrzem",
        "Pompy są z metali takich jak żelazo i stal",
        "Miasta takie jak Lyon napełniają pompy olejem",
        "Pompy w Lyonie są na prawo od mostu",
    ],
    "Czech": [
        "Ten kdo plní čerpadla v Lyonu, je starosta města",
        "Čerpadla se v Lyonu plní při teplotě nižší než nula",
        "Lyon je město, které plní čerpadla olejem",
        "Čerpadla jsou v Lyonu napravo od mostu",
    ],
    "Slovak": [
        "Ten kto plní čerpadlá v Lyone, je starosta pre mesto",
        "Čerpadlá sú v Lyone pri teplote nižšie ako nula",
        "Lyon je mesto, ktoré plní čerpadlá olejom",
        "Čerpadlá sú v Lyone napravo od mosta",
    ],
    "Slovene": [
        "Lyon je mesto, ki pozimi polni črpalke z oljem",
        "Črpalke v Lyonu so na desni strani mostu",
        "Lyon polni črpalke tako kot Nica in se ne boji zime",
        "Zaradi mraza se črpalke v Lyonu polnijo z oljem",
    ],
    "Croatian": [
        "Lyon je grad koji zimi puni pumpe uljem",
        "Pumpe u Lyonu su na desnoj strani mosta",
        "Zbog mraza se pumpe u Lyonu pune uljem",
        "Onaj koji puni pumpe u Lyonu je gradonačelnik",
    ],
    "Ukrainian": [
        "Відповідно до закону насоси Ліона є залізними",
        "Те що насоси Ліона є залізними, не є новим",
        "Тиск насосів Ліона є вище за тиск насосів Ніцци",
        "Ліон є містом, яке заповнює насоси взимку",
    ],
    "Russian": [
        "Насосы Лиона включают выше пяти градусов и не зимой",
        "Лион не единственный город, который заполняет насосы",
        "В результате проверки насосы Лиона не включили",
        "Данные о насосах Лиона хранят все города",
    ],
    "Bulgarian": [
        "Лион е градът, който пълни помпите през зимата",
        "Помпите в Лион са от дясната страна на моста",
        "Законът забранява на Лион да пълни помпите с вода",
        "След дъжда помпите на Лион се пълнят с масло",
    ],
    "Greek": [
        "Παράλληλα με τη Νίκαια η Λυών γεμίζει τις αντλίες",
        "Παραμένουν γεμάτες παραπάνω από χίλιες αντλίες στη Λυών",
        "Η Λυών είναι πόλη που γεμίζει τις αντλίες το χειμώνα",
        "Οι αντλίες της Λυών είναι στα δεξιά της γέφυρας",
    ],
    "Hungarian": [
        "Lyon az a város, amely télen tölti fel a szivattyúkat",
        "Annak ellenére hogy fagy, a szivattyúk és a csövek Lyonban vannak",
        "Lyon tudja, hogy a szivattyú nem acélból van",
        "A szivattyúk Lyonban a híd jobb és bal oldalán vannak",
    ],
    "Turkish": [
        "Lyon şehri pompaları kışın yağ ile doldurur",
        "Pompalar Lyon şehrinde köprünün sağında ve solunda durur",
        "Lyon kış için pompa olarak çelik boru alır",
        "Bir pompa Lyon için en çok on yıl çalışır",
    ],
    "Estonian": [
        "Lyon ütleb, et see mis pumbad täidab, on õli või vesi",
        "Lyon on linn, mis täidab pumbad talveks",
        "Pumbad on Lyonis silla paremal pool ja ei roosteta",
        "Lyoni linn täidab pumbad õliga kuni kevadeni",
    ],
    "Latvian": [
        "Liona ir pilsēta, kas ziemā pilda sūkņus ar eļļu",
        "Sūkņi Lionā ir pa labi no tilta un ir no dzelzs",
        "Liona pilda sūkņus ar eļļu līdz pavasarim",
        "Lionas sūkņu spiediens ir zemāk par nulli",
    ],
    "Lithuanian": [
        "Lionas yra miestas, kuris žiemą pildo siurblius",
        "Siurbliai Lione yra į dešinę nuo tilto",
        "Lionas pildo siurblius su alyva iki pavasario ir vasaros",
        "Be alyvos Liono siurbliai yra iš geležies ir plieno",
    ],
}


_CASES = [
    pytest.param(name, text, points, id=f"{name}: {text}")
    for sentences, points in ((LEANING, True), (STANDING, False))
    for name, texts in sentences.items()
    for text in texts
]


def test_every_language_has_at_least_four_sentences_of_both_kinds() -> None:
    assert min(len(texts) for texts in [*LEANING.values(), *STANDING.values()]) >= 4
    assert LEANING.keys() == STANDING.keys() == EUROPEAN.keys()


@pytest.mark.parametrize(("name", "sentence", "points"), _CASES)
def test_what_points_out_leans_and_what_is_near_to_it_does_not(name: str, sentence: str, points: bool) -> None:
    assert name in languages_of(words_of(sentence)), languages_of(words_of(sentence))
    assert (leans(sentence, under_heading=True) or links(sentence)) == points


@pytest.mark.parametrize(
    "sentence",
    [
        "Le pompe di Lione sono uguali alle altre della città",
        "Οι αντλίες της Λυών είναι όπως οι υπόλοιπες",
        "A lyoni szivattyú is olyan mint a többi",
        "Lyon pompaları diğerlerinden daha büyük ve yeni",
    ],
)
def test_one_of_several_that_were_told_refers_back(sentence: str) -> None:
    assert refers_back(sentence)


def test_a_word_counts_in_its_own_language_alone() -> None:
    assert leans("Om vinteren fylder han pumperne med olie", under_heading=True)
    assert not leans("Han Solo fills the pumps of the town with oil", under_heading=True)
    for english_or_names in ("The pumps of Lyon are filled with oil", "Lyon, Nice"):
        assert languages_of(words_of(english_or_names)) == []


def test_a_long_word_of_one_language_tells_it_alone() -> None:
    assert languages_of(["dieser"]) == ["German"] and languages_of(["er"]) == []
    assert leans("Pumpen dieser Art brauchen wenig Wasser", under_heading=True)


@pytest.mark.parametrize(
    ("points", "stands"),
    [
        ("Er wird im Winter mit Öl gefüllt", "Er wordt in Lyon geen olie in de pompen gevuld"),
        ("Mais les pompes de la ville sont en fer", "Mais de uma bomba da cidade de Lyon é de ferro"),
        ("Este motor se llena con el aceite de la ciudad", "Este o pompă de fier în orașul Lyon"),
    ],
)
def test_an_opening_of_one_language_is_an_ordinary_word_of_another(points: str, stands: str) -> None:
    assert leans(points, under_heading=True) or links(points)
    assert not (leans(stands, under_heading=True) or links(stands))


def test_where_two_languages_are_as_likely_both_must_point() -> None:
    assert languages_of(words_of("Pumpen på bakken er av jern")) == ["Norwegian"]
    assert languages_of(words_of("Pumpen har olie med jern")) == ["Swedish", "Danish", "Norwegian"]
    assert not leans("Pumpen har pågældende olie med jern", under_heading=True)  # which Danish alone knows
    assert leans("Pumpen har pågældende olie af jern og ikke stål", under_heading=True)


def test_what_a_demonstrative_shows_after_a_comma_was_told_before_it() -> None:
    told = "La ciudad de Lyon llena la bomba en invierno, cuando ello es necesario"
    assert told[: end_of_showing(told)].endswith("invierno") and not leans(told, under_heading=True)
    assert leans(told.replace(", cuando", " cuando"), under_heading=True)


@pytest.mark.parametrize("name", sorted(EUROPEAN))
def test_an_entry_holds_each_word_once_and_none_that_is_known_for_all_languages(name: str) -> None:
    entry = EUROPEAN[name]
    shown = {word for word in entry.shows.split() if leaning._DEMONSTRATIVE.fullmatch(word)}
    known = [(entry.opens, leaning._POINTING), (entry.near, leaning._PRONOUNS), (entry.again, named_subject._AGAIN)]
    for text, words in [*known, (entry.shows, shown)]:
        assert len(text.split()) == len(set(text.split())) and words.isdisjoint(text.split())
        assert all(words_of(word) == [word] for word in text.split()), "it is compared with the words of a sentence"
    for phrases in (entry.opens_with, entry.shows_by, entry.sends, entry.told):
        assert re.fullmatch(rf"(?:{phrases})?", "") and "||" not in phrases and phrases == phrases.lower()
