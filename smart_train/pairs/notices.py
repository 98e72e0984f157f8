"""What whoever published a document says to its readers on any of its pages: that nothing is guaranteed, whom to write
to, where there is more, that all are welcome. Nobody looks for it."""

from __future__ import annotations

import regex

_LOOKED_AT = 400  # characters; no longer text is asked
_LIABILITY = (
    r"\b(?:accepts?|assumes?|bears?|takes?|undertakes?) no (?:liability|responsibility)\b"
    r"|\b(?:does|do|shall|will|can|is|are)(?: not|n't) (?:be )?(?:accept|assume|bear|convey|guarantee|liable"
    r"|responsible"
    r"|warrant)\b(?! by)"
    r"|\bno (?:\w+ ){0,3}(?:licen[cs]es?|warrant(?:y|ies)) (?:is|are) (?:expressed|given|granted|implied|made)\b"
    r"|\breserves? the right to (?:alter|amend|change|discontinue|make (?:any )?changes|modify)\b"
    r"|\bwithout (?:any )?(?:further|prior) notice\b|\bsubject to change\b"
    r"|\b(?:disclose|rent|sell|share)s? (?:or \w+ )?your (?:e-?mail|personal)\b|\brespect(?:ing"
    r"|s)? your (?:\w+ and )?privacy\b"
    r"|\bkeine (?:Gewähr|Haftung|Verantwortung)\b|\bÄnderungen vorbehalten\b"
    r"|\bohne (?:vorherige )?(?:Ankündigung|Vorankündigung)\b"
    r"|\bdécline toute responsabilité\b|\bsans préavis\b|\bne pas jeter sur la voie publique\b"
    r"|\bsin (?:previo aviso|aviso previo)\b|\bno se (?:hace )?responsab\w+|\bsenza preavviso\b"
    r"|\b(?:alcuna|nessuna) responsabilità\b|\bsem aviso prévio\b|\bnão se responsabiliza\b"
    r"|\bzonder (?:voorafgaande )?kennisgeving\b|\bniet aansprakelijk\b"
    r"|\bbez (?:wcześniejszego )?(?:powiadomienia|uprzedzenia)\b|\bnie ponosi odpowiedzialności\b"
    r"|\bбез предварительного уведомления\b|\bне нес[её]т ответственности\b"
    r"|\butan (?:föregående|förvarning)\b|\b(?:uden|uten) varsel\b|\bbez předchozího upozornění\b"
    r"|\bsorumlu (?:değildir|tutulamaz)\b|\btanpa pemberitahuan\b|\bkhông chịu trách nhiệm\b"
    r"|予告なく|責任を負い(?:ません|かねます)|恕不另行通知|不承担.{0,6}责任|예고 없이|책임을 지지 않"
)
_CONTACT = (
    r"\bplease (?:also )?(?:consult|find|note|read|refer|scan|see|visit)\b"
    r"|\b(?:do not|don't) hesitate to\b|\bfeel free to (?:ask|call|contact|e-?mail|get in touch|reach|write)\b"
    r"|\b(?:please|to) (?:call|contact|e-?mail|visit|write to) (?:us|me|our|your)\b|^(?:call|contact|visit"
    r"|follow|join) (?:us|our)\b"
    r"|\b(?:comments?|concerns?|queries|questions)\b.{0,40}\b(?:please )?(?:call|contact|e-?mail|reach out|write)\b"
    r"|\bfor (?:additional|detailed|further|more) (?:details?|information)\b|\b(?:scan|use) (?:the|this) QR\b"
    r"|\bplease (?:call|contact|phone|R\.?S\.?V\.?P)\b|\bclick here\b"
    r"|\byou can (?:also )?(?:call|contact|e-?mail|reach) us\b|\b(?:support us|subscrib(?:e|ing) to (?:our|us))\b"
    r"|\bzögern Sie nicht\b|\b(?:kontaktieren|besuchen) Sie\b|\bwenden Sie sich\b|\b(?:bei|für) (?:Rückf|F)ragen\b"
    r"|\bn'hésitez pas\b|\bcontactez(?:-nous)?\b|\bpour (?:plus d'informations?|tout renseignement)\b"
    r"|\bno duden? en\b|\bpóngase en contacto\b|\bcontáct(?:enos|anos)\b|\bpara (?:más|mayor) información\b"
    r"|\bnon esit(?:are|ate|i) a\b|\bcontattat?(?:e|eci|ci)\b|\bper (?:maggiori|ulteriori) informazioni\b"
    r"|\bnão hesite em\b|\bentre em conta[ct]to\b|\bpara (?:mais|maiores) informações\b"
    r"|\baarzel (?:dan )?niet\b|\bneem (?:\w+ )?contact (?:met \w+ )?op\b|\bvoor (?:meer|verdere) informatie\b"
    r"|\blees (?:de|het) (?:gehele|hele|volledige)\b|\b(?:prosimy|zapraszamy) (?:do|o) kontakt\w*"
    r"|\bwięcej informacji\b"
    r"|\bсвяжитесь с нами\b|\bобращайтесь\b|\bподробной информацией\b|\bдетальною інформацією\b"
    r"|\btveka inte\b|\bkontakta (?:oss|gärna|styrelsen)\b|\bkontakt oss\b|\bnev[áa]hejte\b|\bkontaktujte\b"
    r"|\biletişime geç\w*|\bhubungi kami\b|\bliên hệ (?:với|theo|qua)\b"
    r"|お問い合わせ|ご了承ください|请(?:联系|致电)|欢迎(?:来电|咨询|联系)|문의(?:하|해|주)"
)
_THANKS = (
    r"^Dear (?:\w+ ){0,3}(?:and|board"
    r"|colleagues|council"
    r"|customers?|friends?|madam|members?|parents?|readers?|sir)\b"
    r"|\b(?:extend|offer|send) (?:my|our) (?:\w+ )?(?:best wishes|congratulations|greetings)\b"
    r"|\b(?:seek|request|solicit) your (?:\w+ ){0,2}(?:approval|blessings?|cooperation|permission|support)\b"
    r"|\bpoděkova(?:t|l[ai]?)\b|\bpodziękowa(?:ć|nia)\b|\bringrazi(?:o|amo|are)\b|\bagrade[cz](?:co|emos|er|o)\b"
    r"|\bблагодар(?:ю|им|ен|ность)\b|\bteşekkür (?:ederi[mz]|etmek)\b|\btackar? (?:för|alla)\b|\b(?:ich|wir) danken?\b"
    r"|\b(?:my|our|mi|nuestra|minha|nossa|la mia|la nostra|ma|notre) (?:\w+ ){0,2}(?:gratidão|gratitude?|gratitudine)\b"
    r"|ありがとうございま|감사합니다|\bterima kasih\b|\bcảm ơn\b|谢谢|感谢您"
)
_WELCOME = (
    r"\b(?:happy|delighted|glad|pleased|proud|like) to welcome you\b|^(?:a (?:very )?warm )?welcome (?:back"
    r"|to (?:our|the|your))\b"
    r"|\b(?:herzlich )?willkommen (?:bei|zu heißen)\b|^herzlich willkommen\b|^(?:viel (?:erfolg|freude|spaß"
    r"|vergnügen))\b"
    r"|\b(?:heureu\w+|ravie?s?) de vous (?:accueillir|recevoir|retrouver)\b|^bienvenue\b"
    r"|^(?:(?:os|les|te) damos la bienvenida|bienvenid[oa]s?)\b|\bdar(?:os|les|te) la bienvenida\b"
    r"|^benvenut[aeio]\b|\bdar(?:vi|le|ti) il benvenuto\b|^(?:sejam?|seja) (?:muito )?bem-vind[oa]s?\b"
    r"|^(?:hartelijk )?welkom (?:bij|op|in)\b"
    r"|^(?:serdecznie )?(?:witamy|zapraszamy)\b|^(?:srdečně )?(?:vítáme|zveme) vás\b|^(?:varmt )?välkomna? (?:till"
    r"|som)\b|^(?:hjertelig )?velkommen (?:til|som)\b"
    r"|^добро пожаловать\b|^ласкаво просимо\b|^καλώς (?:ήρθατε|ορίσατε)\b|\bhoş ?geldiniz\b|^selamat datang\b"
    r"|^chào mừng\b"
    r"|^ようこそ|^欢迎(?:您|光临|使用|来到)|(?:환영합니다|어서 오세요)$"
)
_NOTICE = regex.compile(f"{_LIABILITY}|{_CONTACT}|{_THANKS}|{_WELCOME}", regex.IGNORECASE)


def is_notice(text: str) -> bool:
    """Whether a text is one that a publisher repeats: a disclaimer, an invitation to write or to read on, thanks, or
    a welcome."""
    return _NOTICE.search(text[:_LOOKED_AT]) is not None
