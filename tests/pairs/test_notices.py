"""What a publisher says to all readers is not asked."""

from __future__ import annotations

import pytest

from smart_train.pairs.notices import is_notice
from smart_train.pairs.worth import says_something


@pytest.mark.parametrize(
    "text",
    [
        "Pump Works assumes no liability for wet floors",
        "The valves may be altered without prior notice",
        "Lids Ltd reserves the right to make changes to its valves",
        "We never sell your personal data to other pump makers",
        "Do not hesitate to ask the pump master",
        "Questions about the valves? Please write to Ann",
        "For further information see the page of the pump makers",
        "Please also note the hours of the pump master",
        "I extend my heartiest congratulations to the pump makers of Lyon",
        "We sincerely seek your kind approval of the new pump",
        "You can contact us by the bell beside the pump",
        "Chtěl bych poděkovat výrobci čerpadel",
        "Ringraziamo tutti i produttori di pompe",
        "Dear members of the pump club, the winter is over",
        "Für undichte Ventile wird keine Haftung übernommen",
        "Wenden Sie sich an den Pumpenmeister",
        "Le fabricant décline toute responsabilité pour les pompes",
        "Para más información visite la bomba",
        "Il produttore si riserva modifiche senza preavviso",
        "Não hesite em pedir uma bomba",
        "Aarzel niet om een pomp te bestellen",
        "Producent nie ponosi odpowiedzialności za pompy",
        "За подробной информацией идите к насосу",
        "Tveka inte att fråga om pumpen",
        "ポンプは予告なく変更される",
        "水泵价格恕不另行通知",
        "Support us by subscribing to our channel of pumps",
        "Gostaria de expressar minha gratidão aos fabricantes de bombas",
        "Our sincere gratitude goes to the pump makers",
        "We are pleased to welcome you in the pump house of Lyon",
        "Wir freuen uns, Sie im Pumpenhaus willkommen zu heißen",
        "Viel Spaß beim Lesen der Pumpenkarte",
        "Bienvenue dans la maison des pompes",
        "Selamat datang di rumah pompa",
        "欢迎光临水泵之家",
        "펌프는 예고 없이 바뀐다",
    ],
)
def test_notices(text: str) -> None:
    assert is_notice(text) and not says_something(text, head=False)


@pytest.mark.parametrize(
    "text",
    [
        "The tenant is liable for damage by water from the pump",
        "The valve is not opened by oil but by steam",
        "The gratitude of the mayor was a pump of gold",
        "Guests are welcome to the pump house at noon",
        "Besucher sind im Pumpenhaus von Lyon willkommen",
        "The contact of the pump breaks at 9 bar",
        "The mayor sent his congratulations to the pump makers",
        "The tenant may seek the approval of the pump master",
        "Please keep the pump away from frost",
        "The committee reserves seats at the pump for guests",
        "Die Haftung des Pächters endet mit dem Vertrag",
        "Le préavis du locataire est de trois mois",
    ],
)
def test_what_a_document_is_about_is_not_a_notice(text: str) -> None:
    assert not is_notice(text)
