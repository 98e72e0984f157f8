"""What forms and letters print beside their text: declarations that whoever signs makes, the labels of fields, and
addresses. The same stands in every form, and nobody looks for it."""

from __future__ import annotations

import regex

from smart_train.pairs.words import words_of

_LOOKED_AT = 400  # characters; no longer text is asked
# How a declaration in the first person begins, by language; a few of them end so.
_DECLARATIONS = {
    "English": (
        # "We confirm" is in papers, too.
        r"^(?:I|we(?=,? (?:hereby|the undersigned)))(?:,? (?:also|fully|further|hereby|do|the undersigned)\b,?)*"
        r" (?:accept|acknowledge|affirm|agree|attest|authori[sz]e|certify|confirm|consent|declare|grant|promise|swear"
        r"|understand|undertake|waive|give (?:my )?(?:consent|permission)|have read)\b"
        r"|^by (?:checking|signing|submitting|ticking)\b.*\b(?:I|we|you)\b"
        r"|\b(?:my|your) signature\b|\bunder penalt(?:y|ies) of perjury\b"
        r"|\bI (?:have read|(?:certify|confirm|declare) that)\b|\bI(?:, .{1,40},)? (?:hereby|undersigned)\b"
    ),
    "German": (
        r"^(?:hiermit|hierdurch) (?:akzeptier|beantrag|bestätig|bevollmächtig|erklär|ermächtig|erteil|geb|meld|stimm"
        r"|tret|verpflicht|versicher|willig)en? (?:ich|wir)\b|^ich (?:akzeptiere|beantrage|bestätige|erkläre|ermächtige"
        r"|erkenne|stimme|verpflichte|versichere|willige|bin (?:\p{L}+ )?(?:da)?mit)\b"
        r"|^ich habe .{0,80}(?:gelesen|zur kenntnis)\b"
        r"|^mit der unterschrift\b|\bmit (?:ihrer|meiner) unterschrift\b|^(?:hiermit|hierdurch) \p{Ll}+e ich\b"
    ),
    "French": (
        r"^(?:je,? (?:soussigné|accept|affirm|attest|autoris|certifi|consen|déclar|donn|m'engage|reconnai)\w*"
        r"|nous,? (?:soussignés|nous engageons)\b)|^en signant\b|\bje,? soussigné"
        r"|^j'(?:accepte|ai (?:lu|pris connaissance)|atteste|autorise|affirme)\b"
    ),
    "Spanish": (
        r"^(?:por la presente,? )?(?:yo,? .{0,40})?(?:acepto|autorizo|certifico|declaro|doy mi consentimiento"
        r"|me comprometo|manifiesto)\b|\babajo firmante\b|^he leído\b"
    ),
    "Catalan": r"^(?:accepto|autoritzo|certifico|declaro|em comprometo|dono el (?:meu )?consentiment)\b|^he llegit\b",
    "Portuguese": (
        r"^[\"“]?(?:(?:eu,? .{0,40})?(?:aceito|autorizo|certifico|concordo|declaro|comprometo-me|me comprometo)\b"
        r"|li e (?:aceito|concordo)\b|estou ciente\b)"
    ),
    "Italian": (
        r"^(?:io,? )?(?:accetto|acconsento|autorizzo|certifico|dichiaro|mi impegno|presto il (?:mio )?consenso)\b"
        r"|\b(?:il|la)(?:/la)? sottoscritt[oa]\b|\bsottoscritt[oaie]\b.*\b(?:autorizz|chied|dichiar|si impegn)\w+"
        r"|^ho letto\b"
    ),
    "Dutch": (
        r"^(?:hierbij (?:geef|machtig|verklaar)(?:en|t)? (?:ik|wij)\b|ik (?:geef (?:\w+ )?toestemming|ga akkoord"
        r"|heb .{0,60}gelezen|machtig|verklaar)\b)|\bondergetekende\b"
    ),
    "Swedish": r"^(?:härmed|jag) (?:accepterar|försäkrar|förbinder|godkänner|intygar|medger|samtycker)\b",
    "Danish and Norwegian": (
        r"^(?:hermed )?(?:jeg )?(?:accepterer|aksepterer|bekræfter|bekrefter|erklærer|giver samtykke|gir samtykke"
        r"|samtykker) (?:jeg|at|i|til)\b|^undertegnede\b"
    ),
    "Finnish": r"^(?:annan (?:luvan|suostumukseni)|sitoudun|suostun|vakuutan|allekirjoittanut)\b",
    "Polish": (
        r"\bniżej podpisan\w+|^(?:ja,? )?(?:oświadczam|potwierdzam|upoważniam|wyrażam zgodę|zobowiązuję się"
        r"|zapoznał[ae]m się)\b"
    ),
    "Czech and Slovak": (
        r"^(?:já,? )?(?:níže podepsan\w+|potvrzuji|prohlašuji|souhlasím|zavazuji se|zmocňuji|dolupodpísan\w+"
        r"|potvrdzujem|súhlasím|vyhlasujem|zaväzujem sa)\b"
    ),
    "Hungarian": r"^(?:alulírott|hozzájárulok|kijelentem|nyilatkozom|tudomásul veszem|vállalom)\b",
    "Romanian": r"^(?:subsemnat\w*|declar|sunt de acord|îmi dau acordul|mă oblig)\b",
    "Croatian and Slovene": (
        r"^(?:izjavljujem|suglasan sam|suglasna sam|dajem privolu|potvrđujem|izjavljam|soglašam|potrjujem)\b"
    ),
    "Turkish": (
        r"\b(?:beyan|kabul|taahhüt|teyit) (?:ederi[mz]|ediyoru[mz]|ve taahhüt ederi[mz])$"
        r"|\b(?:izin veriyorum|onaylıyorum)$"
    ),
    "Greek": r"^(?:δηλώνω|συμφωνώ|συναινώ|εξουσιοδοτώ|βεβαιώνω|ο/?η? υπογεγραμμέν\w+)\b",
    "Russian": (
        r"^(?:я,? .{0,60})?(?:нижеподписавш\w+|настоящим (?:даю|заявляю|подтверждаю)|даю (?:сво[её] )?согласие"
        r"|обязуюсь|подтверждаю|согласен|согласна)\b"
    ),
    "Ukrainian": r"^(?:я,? .{0,60})?(?:даю (?:свою )?згоду|зобов'язуюсь|підтверджую|нижчепідписан\w+)\b",
    "Bulgarian": r"^(?:аз,? )?(?:долуподписан\w+|декларирам|давам съгласие|съгласен съм|съгласна съм)\b",
    "Chinese": r"^(?:本人|我|兹)(?:已经?|在此|特此|谨此|自愿|仔细)*(?:同意|确认|声明|承诺|授权|保证|知悉|阅读)",
    "Japanese": r"(?:同意|承諾|誓約|委任|宣誓)(?:します|いたします|致します)$",
    "Korean": r"^본인은\s|(?:동의|서약|확약|위임)(?:합니다|함)$",
    "Indonesian": r"^(?:saya yang bertanda tangan|dengan ini (?:saya|kami)\b|saya (?:menyatakan|menyetujui|setuju)\b)",
    "Vietnamese": r"^(?:tôi|chúng tôi) (?:xin )?(?:cam (?:đoan|kết)|đồng ý|ủy quyền|xác nhận)\b",
    "Arabic": r"^(?:أنا الموقع|أقر (?:أنا|بأن)|أوافق على|أتعهد ب|أصرح بأن)",
    "Hebrew": r"^(?:אני|הנני) (?:החתום|החתומה|מאשר|מאשרת|מסכים|מסכימה|מצהיר|מצהירה|מתחייב|מתחייבת)",
}
_DECLARATION = regex.compile("|".join(_DECLARATIONS.values()), regex.IGNORECASE)
# Of the labels of a form, by language: words that nothing but a field has, and words that stand beside these.
_FIELDS = """
name surname forename birth birthdate birthplace address signature signed phone telephone tel fax email mail zip
postcode
vorname nachname familienname geburtsdatum geburtsort geburtsname anschrift adresse unterschrift telefon
email plz wohnort staatsangehörigkeit iban bic kontoinhaber kreditinstitut
nom prénom naissance téléphone courriel
nombre apellido apellidos nacimiento dirección domicilio firma teléfono
nome sobrenome cognome nascimento nascita endereço indirizzo assinatura telefone telefono celular cpf cnpj cep
naam voornaam achternaam geboortedatum geboorteplaats adres handtekening telefoon telefoonnummer woonplaats
imię nazwisko urodzenia adres podpis telefonu pesel jméno příjmení narození adresa podpis bydliště rodné
namn förnamn efternamn personnummer underskrift navn fornavn etternavn efternavn fødselsdato nimi osoite allekirjoitus
név cím aláírás születési nume prenume semnătura adı soyadı imza doğum adresi
фио имя фамилия отчество рождения адрес подпись телефон тел прізвище підпис
όνομα επώνυμο διεύθυνση υπογραφή τηλέφωνο
nama alamat tanda tangan telepon
"""
_BESIDE_FIELDS = """
first last middle full family given home work business mobile cell daytime evening date place street city town state
province country code postal number no company title mr mrs ms of and or the in please print your applicant
contact person e your our day month year sex age gender nationality occupation initials names
datum ort straße strasse hausnummer land nr nummer des der und oder ihr ihre name firma titel geb am mobil handy beruf
geschlecht
date lieu rue ville pays code postal numéro de du la le et ou votre âge portable nationalité profession
fecha lugar calle ciudad país código número y o del su edad c p correo nacionalidad
data luogo via città paese codice numero e di da local rua cidade estado país número do da dos
datum plaats straat postcode land nummer en van uw het
data miejsce ulica miasto kod numer i miejscowość datum místo obec ulice číslo a psč
ort gatuadress postnummer dato sted adresse postnr og
дата место город улица индекс номер и г
"""
_FIELD, _BESIDE_FIELD = frozenset(_FIELDS.split()), frozenset(_BESIDE_FIELDS.split())
_CONTACT = regex.compile(
    r"^\W*(?:(?:tele)?phone|tel(?:e?f(?:on|oon|ono|one)?)?|téléphone|teléfono|telefax|fax|mobile?|handy|e-?mail|courriel|correo"
    r"|тел(?:ефон)?|факс|τηλ|電話(?:番号)?|电话|傳真|传真|전화(?:번호)?|팩스|điện thoại|telp|puh|tlf)"
    r"(?:\s?(?:no|nr|n°|nº))?[.:：]*\s*(?:[:：]|[+(]?\d)",
    regex.IGNORECASE,
)
_ADDRESS = regex.compile(
    r"\bp\.? ?o\.? ?box\b|\b(?:postfach|postbus|postboks|b\.?p\.|boîte postale|apartado(?: de correos| postal)?"
    r"|caixa postal|casella postale|skrytka pocztowa|а/я|п/я|pk) \d|私書箱|邮政信箱|사서함"
    # A number and a street, or a street and its number.
    r"|^\d+[a-z]?,? (?-i:(?:\p{Lu}[\p{L}.'’-]* ){1,4}(?:Street|St|Road|Rd|Avenue|Ave|Lane|Drive|Dr|Boulevard|Blvd"
    r"|Highway))\b\.?(?:,|$| (?:suite|ste|apt)\b)"
    r"|^\d+[a-z]?,? (?:bis |ter )?(?:rue|avenue|boulevard|place|chemin|impasse|quai) (?-i:d[eu']|la |les? |\p{Lu})"
    r"|^(?-i:\p{Lu})[\p{L} .'’-]*(?:straße|strasse|str\.|weg|platz|allee|gasse|straat|laan|gatan|vägen|gade|vej)"
    r" \d{1,3} ?[a-z]?(?:,|$)"
    r"|^(?:calle|c/|avda?\.|avenida|rua|via|viale|piazza|corso|ul\.|ulica|al\.|ул\.|улица|пр\.|вул\.)"
    r" ?(?-i:\p{Lu})[\p{L} .'’-]*,? (?:n[°º.] ?)?\d{1,4}(?:,|$)"
    # A town and its code.
    r"|(?-i:, [A-Z]{2} \d{5}(?:-\d{4})?\b|^(?:[A-Z]{1,2}-)?\d{5} \p{Lu}[\p{L}-]+$)",
    regex.IGNORECASE,
)


def without_address(title: str) -> str:
    """The title of a letter without the address that stands beside it: "Diving club P.O. Box 17" -> "Diving club". One
    word before it is a town."""
    address = _ADDRESS.search(title[:_LOOKED_AT])
    before = title[: address.start()].rstrip(" ,;|–-") if address else ""
    return before if len(words_of(before)) > 1 else title


def is_declaration(text: str) -> bool:
    """Whether a text is what whoever fills in a form declares: "I hereby declare that", "Wyrażam zgodę na"."""
    return _DECLARATION.search(text[:_LOOKED_AT]) is not None


def is_field(text: str) -> bool:
    """Whether a text is the label of a field of a form, several of them that were read as one line, or an address:
    "Surname, first name", "Tel.: 040 123", "P.O. Box 24563"."""
    text = text[:_LOOKED_AT]
    if _CONTACT.search(text) or _ADDRESS.search(text):
        return True
    words = set(words_of(text.partition(":")[0]))
    return not words.isdisjoint(_FIELD) and words <= _FIELD | _BESIDE_FIELD
