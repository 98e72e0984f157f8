"""What forms and letters print beside their text: declarations, labels of fields, addresses, circles before items."""

from __future__ import annotations

import pytest

from smart_train.data.formats.page_text import PageText
from smart_train.pairs.broken_headings import is_broken
from smart_train.pairs.candidates import is_telling
from smart_train.pairs.context import Contexts
from smart_train.pairs.document_names import name_of
from smart_train.pairs.form_text import is_declaration, is_field
from smart_train.pairs.page_parts import Block, Line, Parts, as_read
from smart_train.pairs.sentences import split_lines, split_sentences


@pytest.mark.parametrize(
    "text",
    [
        "I, the owner of the pump, hereby order a valve",
        "Under penalties of perjury, I declare that the pump is mine",
        "I have read the rules of the pump house",
        "I hereby declare that the pump of my boat was filled with oil",
        "I fully understand that races of old boats may result in injury",
        "We, the undersigned, agree to pay for the pumps of Lyon",
        "By signing this form I accept the rules of the club of Lyon",
        "Hiermit beantrage ich die Aufnahme in den Verein der Stadt Lyon",
        "Ich bin zudem mit der Verteilung meiner Daten im Verein einverstanden",
        "Je soussigné déclare avoir lu le règlement du club de Lyon",
        "Declaro que he leído las reglas del club de Lyon",
        "Accepto les regles del club de Lió per a tota la temporada",
        '"Li e concordo com o termo de adesão do curso de Lyon',
        "Dichiaro di aver letto il regolamento del club di Lione",
        "Hierbij machtig ik de vereniging van Lyon om het bedrag af te schrijven",
        "Härmed intygar jag att pumpen i Lyon är fylld med olja",
        "Hermed giver samtykke til at foreningen i Lyon gemmer mine data",
        "Annan suostumukseni siihen, että seura tallentaa tietoni",
        "Wyrażam zgodę na przetwarzanie moich danych przez klub w Lyonie",
        "Prohlašuji, že jsem se seznámil s pravidly klubu v Lyonu",
        "Hozzájárulok, hogy a lyoni egyesület az adataimat kezelje",
        "Subsemnatul declar că am citit regulamentul clubului din Lyon",
        "Izjavljujem da sam pročitao pravila kluba u Lyonu",
        "Lyon kulübünün kurallarını okuduğumu ve anladığımı beyan ederim",
        "Δηλώνω ότι διάβασα τους κανόνες του συλλόγου της Λυών",
        "Я, Иванов Иван, даю согласие на обработку моих данных",
        "Даю згоду на обробку моїх даних клубом міста Ліон",
        "Декларирам, че съм прочел правилата на клуба в Лион",
        "本人已仔细阅读并同意里昂俱乐部的各项规则",
        "リヨンのクラブの規則を読み、その内容に同意します",
        "본인은 리옹 클럽의 규칙을 읽었습니다",
        "Dengan ini saya menyatakan telah membaca aturan klub Lyon",
        "Tôi xin cam đoan đã đọc các quy định của câu lạc bộ Lyon",
        "أقر بأن المضخة في ليون مملوءة بالزيت",
        "אני מצהיר בזאת כי קראתי את תקנון המועדון בליון",
    ],
)
def test_what_a_signature_declares(text: str) -> None:
    assert is_declaration(text) and split_lines(text) == [] and split_sentences(f"{text}.") == []


@pytest.mark.parametrize(
    "text",
    [
        "We confirm that pumps of iron rust in the winter of Lyon",
        "Hiermit werden die Pumpen der Stadt Lyon im Winter gefüllt",
        "Members declare that the pumps of Lyon are filled with oil",
        "Das Gesetz erklärt den Verein der Stadt Lyon für aufgelöst",
        "Le maire déclare le pont de Lyon ouvert aux piétons",
        "Декларация города Лион описывает насосы и клапаны",
        "同意された規則はリヨンの市議会が定めたものである",
    ],
)
def test_what_declares_nothing(text: str) -> None:
    assert not is_declaration(text)


@pytest.mark.parametrize(
    "text",
    [
        "P.O. Box 24563",
        "Postfach 17 04, 71207 Leonberg",
        "Tel.: 040 123",
        "Téléphone : 01 02 03",
        "E-mail: pumps",
        "電話番号：03",
        "123 Main Street",
        "12 rue de la Paix",
        "Musterstraße 12, Lyon",
        "Via Roma, 12",
        "ул. Ленина, 5",
        "Pittsburgh, PA 15224",
        "71207 Leonberg",
        "Surname, first name",
        "Name Date of birth",
        "Name: Ann Lee",
        "Name, Vorname, Geburtsdatum",
        "Nom et prénom",
        "Nombre y apellidos",
        "Nome e cognome",
        "Naam en adres",
        "Imię i nazwisko",
        "Jméno a příjmení",
        "Фамилия, имя",
    ],
)
def test_fields_and_addresses_are_not_headings(text: str) -> None:
    assert is_field(text) and is_broken(text)
    assert not is_telling("heading", text, 1) and not is_telling("line", text, 1)
    line = "Pumps of Lyon are filled with oil by hand before the winter."
    parts = Parts([], [], line, blocks=[Block(text, [Line(line, 10.0)])])
    assert (
        Contexts(parts, [[text]]).over(line) is None and Contexts(parts, [["Oil changes"]]).over(line) == "Oil changes"
    )


@pytest.mark.parametrize(
    "text",
    [
        "2024 results of the pumps",
        "10 Ways to Drive",
        "The email addresses of hosts",
        "Phone support for pumps",
        "Gender and age",
        "Names of rivers",
        "Platz 1 für Lyon",
        "Route 66",
        "20 places in Lyon",
        "Street lamps",
    ],
)
def test_headings_that_hold_words_of_forms(text: str) -> None:
    assert not is_field(text)


def test_headings_of_two_parts_side_by_side() -> None:
    assert is_broken("Part XI Reconciliation of assets Part XII Financial statements")
    assert is_broken("Teil 1 Pumpen der Stadt Teil 2 Ventile")
    assert not is_broken("Section 3 Amendment of Section 5") and not is_broken("Part XI Reconciliation of assets")


def test_an_address_is_taken_off_a_name() -> None:
    assert name_of(["Diving club of Lyon, P.O. Box 17", "Rules"]) == "Diving club of Lyon"
    line = "Pumps of Lyon are filled with oil by hand before the winter."
    parts = Parts([], [], line, blocks=[Block("Diving club Lyon Postfach 17 04", [Line(line, 10.0)])])
    assert Contexts(parts, [["Diving club Lyon Postfach 17 04"]]).over(line) == "Diving club Lyon"
    assert name_of(["P.O. Box 24563", "Newsletter of the divers"]) == "Newsletter of the divers"


def circles(*texts: str) -> list[str]:
    return [line.text for line in as_read(PageText(tuple(Line(text, 10.0) for text in texts), "text layer"))]


def test_a_circle_before_items_is_a_mark() -> None:
    assert circles("Rules", "o Pumps are filled.", "o the valves, too", "Oil") == [
        "Rules",
        "• Pumps are filled.",
        "• the valves, too",
        "Oil",
    ]
    assert circles("o 「水泵」", "o （阀门）") == ["• 「水泵」", "• (阀门)"]
    portuguese = ("o motor de Lyon tem", "óleo, e o motor", "o Brasil e o Peru")
    assert circles(*portuguese) == list(portuguese), "a word"
    assert circles("o Pumps are filled.", "Oil") == ["o Pumps are filled.", "Oil"], "one alone"
    page = PageText((Line("o Pumps: iron", 10.0, lead="o Pumps"),) * 2, "text layer")
    assert [line.lead for line in as_read(page)] == ["• Pumps"] * 2
