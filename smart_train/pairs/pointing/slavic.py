"""The words of Slavic languages that point out of a sentence."""

from __future__ import annotations

from smart_train.pairs.pointing.entry import Pointing

LANGUAGES = {
    "Polish": Pointing(
        common="jest się nie jak że dla przez oraz są który na i w z do o po od za lub to ze można co być przy",
        opens=(
            "więc toteż stąd tymczasem następnie później dalej wówczas dodatkowo podobnie odwrotnie mianowicie bowiem "
            "otóż niemniej jednakże ale lecz a i czyli oraz albo oba obie obaj tu tutaj tam tak inaczej przeciwnie "
            "owszem najpierw dlatego jednak ponadto również także zatem wtedy takie taki wreszcie natomiast zaś potem "
            "niniejszy niniejsza"
        ),
        opens_with=(
            "w (?:ten sposób|rezultacie|efekcie|konsekwencji|związku z (?:tym|powyższym)|przeciwnym (?:razie|wypadku)"
            r"|dodatku|tym|takim|obu|szczególności)|z (?:tego|tych|drugiej|jednej|kolei|powyższ)\w*|oprócz tego"
            "|mimo (?:to|tego)|pomimo (?:to|tego)|innymi słowy|to (?:znaczy|jest|oznacza|był|pozwala|dzięki"
            r"|właśnie)\w*|po (?:pierwsze|drugie|trzecie|czym)|tak więc|co (?:więcej|istotne|ważne)|przy tym|tym samym"
            "|poza tym|do tego|dzięki temu|między innymi|na (?:tej|tym|to|tę)|od tego|jest to|są to|ten sam|ma to"
            "|na koniec|na przykład"
        ),
        shows="tą temu tymże ową owego owych owa ów tej tego tych tymi",
        shows_by=(
            "te[n]?(?! (?:któr|kto|sam))|t[aę](?! (?:któr|sam))|tak(?:i|a|iego|iej|ich|im|imi|ą)(?! (?:jak|że|aby"
            "|który|sam|sposób))|takie(?! (?:jak|że|aby|któr))"
        ),
        sends=(
            r"powyższ\w+|poniższ\w+|niniejsz\w+|wspomnian\w+|wyżej wymienion\w+|ww|omawian\w+|tenże"
            r"|następując\w+ (?:sposób|przykład|rysun|tabel|wzór|wzor|fragment|kod|poleceni)\w*|na (?:rysunku|wykresie"
            "|ilustracji|schemacie|zdjęciu)|w (?:tabeli|rozdziale|następnym|poprzednim)|(?:następn|poprzedn"
            r"|kolejn)\w+ (?:rozdzia|przykład|rysun|tabel|stron|punk|krok|podrozdzia)\w*|patrz|zob|por|zobacz"
        ),
        near="jego jej ich nim nią niej nich jemu mu im on ona ono oni one",
        again="oba obie obaj obu ponadto następnie podobnie",
        told=(
            r"ten sam|ta sama|to samo|te same|tych samych|tym samym|tej samej|tego samego|pozostał\w+|ci sami|drugi z"
            "|druga z|inni$|inne$"
        ),
    ),
    "Czech": Pointing(
        common=(
            "se na je že jsou pro nebo jako ve který která které při podle být není ze od pokud jeho však z do s v a"
        ),
        opens=(
            "takto tak pak potom poté následně dále navíc také též zároveň jenže ale avšak nicméně přesto tudíž totiž "
            "například jinak zde tam a i nebo či neboť dokonce konečně naopak podobně stejně obdobně tehdy oba obě "
            "později tím takový taková takové takovéto takovýto těch proto však tedy nakonec rovněž tito"
        ),
        opens_with=(
            "to(?! (?:že|co|znamená))|to znamená|ten(?! kdo)|ta(?! kter)|t[yi](?! kte)|kromě toho|z (?:toho|tohoto"
            "|těchto)|na (?:druhou stranu|základě toho|tomto|těchto|tom)|jinými slovy|v (?:důsledku toho"
            "|opačném případě|takovém|takových|obou|tom)|po(?:kud| té| tom) tomu|za (?:tím|tímto)|ve (?:stejné"
            "|skutečnosti)|jak (?:již|už|bylo|vidno)|k tomu|díky tomu|při tom|tím pádem|do těchto|jedná se|jde o|tzn"
            "|tj|v (?:tomto|této|těchto)"
        ),
        shows="tomuto tímto tomto tuto touto této těmto těmito tohle tyhle tenhle tento tato toto tyto tohoto těchto",
        shows_by=(
            "takov(?:ý|á|é|ého|ému|ém|ým|ých|ými|ou|éto|ýto|áto)(?! (?:kter|že|aby|jak))|t(?:ěch|ěmi|ěm)(?! (?:kte|co))"
        ),
        sends=(
            r"výše|níže(?! než)|následujíc\w+ (?:obráz|příklad|tabul|kapitol|část|kód|způsob|postup|příkaz|krok|schém"
            r"|vzor)\w*|zmíněn\w+|zmiňovan\w+|předchoz\w+ (?:kapitol|příklad|obráz|část|odstav|tabul|krok)\w*|viz"
            "|na (?:obrázku|schématu|grafu)|v (?:tabulce|kapitole|příloze)|uvedené(?:ho|mu|m)?(?! [vn]a? )|tamtéž"
        ),
        near="jeho jejich jej její ji jí jim jimi němu něm ní nich nimi on ona ono oni",
        again="také též rovněž oba obě podobně zároveň stejně",
        told="ostatní|stejn(?:ý|á|é|ého|ém|ým|ých|ými|ou)|tentýž|totéž|tatáž|zbývající|druhý z|druhá z",
    ),
    "Slovak": Pointing(
        common="sa na je že sú pre alebo ako vo ktorý ktorá ktoré pri podľa byť nie zo od ak jeho však z do s v a so",
        opens=(
            "preto teda tiež takisto taktiež ďalej navyše potom následne zároveň avšak ale napríklad inak naopak "
            "podobne rovnako tak takto tu a i aj alebo lebo dokonca konečne nakoniec neskôr obaja obe však"
        ),
        opens_with=(
            "to(?! (?:že|čo))|ten(?! kto)|okrem toho|napriek tomu|z (?:toho|tohto|týchto)|na (?:druhej strane"
            "|základe toho|tomto)|inými slovami|v (?:dôsledku toho|opačnom prípade|takom|tomto|tejto|týchto)|po tom"
            "|tým|jedná sa|ide o|ako (?:už|bolo)|vďaka tomu|t j|tj"
        ),
        shows="tohto tejto tomuto tomto týmto touto týchto týmito túto táto tieto takýto takáto takéto tento toto tej",
        shows_by="tak(?:ý|á|é|ého|ému|om|ým|ých|ými|ú|ej)(?! (?:ktor|že|aby|ak))",
        sends=(
            r"vyššie(?! ako)|nižšie(?! ako)|nasledujúc\w+ (?:obráz|príklad|tabuľ|kapitol|časť|kód|spôsob|postup|príkaz"
            r"|krok)\w*|spomenut\w+|spomínan\w+|predchádzajúc\w+ (?:kapitol|príklad|obráz|časť|odsek|tabuľ|krok)\w*"
            "|pozri|viď|na obrázku|v (?:tabuľke|kapitole|prílohe)|uvedené(?:ho|mu)?(?! [vn]a? )"
        ),
        near="jeho jej ich ním ňom ňou nich nimi jemu mu im on ona ono oni ony",
        again="tiež taktiež takisto rovnako obaja obe podobne",
        told=r"ostatn\w+|rovnak\w+|ten istý|tá istá|to isté|zvyšn\w+|druhý z|druhá z",
    ),
    "Slovene": Pointing(
        common="in je na se za da so ki ali pri kot ter tudi od po lahko ne pa med kako če s z v iz",
        opens=(
            "ta to te ti zato torej vendar toda ampak nato prav tudi namreč zatorej sicer in ali ter tako takrat "
            "tedaj nasprotno drugače podobno poleg hkrati končno tukaj tam kasneje pozneje oba obe"
        ),
        opens_with=(
            "poleg (?:tega|teh)|zaradi (?:tega|teh)|kljub (?:temu|tem)|po drugi strani|na (?:ta|primer|koncu)"
            "|z drugimi besedami|v (?:tem|teh|tej|takem|nasprotnem)|prav tako|to (?:pomeni|je)|s tem|pri (?:tem|teh"
            "|tej)|namesto tega"
        ),
        shows="takšen takšna takšno takšne takšni takšnega takšnih tovrstne tovrstni tovrstna tovrstnih",
        shows_by=r"te(?:ga|j|mu|m|h|mi)(?! (?:ki|da|kar|kako))|(?:tak|taka|tako)(?= (?:sistem|način|postop)\w*)",
        sends=(
            r"zgoraj|spodaj|omenjen\w+|naslednj\w+ (?:slik|primer|tabel|poglavj|stran|korak)\w*|prejšnj\w+ (?:slik"
            r"|primer|tabel|poglavj|stran|korak)\w*|glejte?|na sliki|v (?:tabeli|poglavju)|zgornj\w+ (?:primer|slik"
            r"|tabel)\w*|spodnj\w+ (?:primer|slik|tabel)\w*"
        ),
        near=(
            "njegov njegova njegovo njegove njen njena njeno njene njihov njihova njihovo njihove on ona oni njem "
            "njej njim njih jih ga"
        ),
        again="tudi oba obe ravno prav",
        told=r"ist(?:i|a|o|e|ega|em|ih)|ostal(?:i|e|a|ih)|drugi od|preostal\w+",
    ),
    "Croatian": Pointing(
        common="je u na se i da za su od koji koja koje ili kao iz sa bi može s kod prema nije pri te biti o kako",
        opens=(
            "taj ta to te ti međutim stoga zato dakle zatim potom također takođe ipak ali nego već naime naprotiv "
            "inače slično tako time ovime tada a i ili no pritom onda ovdje ovde tamo kasnije nakon oba obje obe"
        ),
        opens_with=(
            "nakon toga|osim toga|pored toga|zbog toga|s druge strane|na (?:primjer|primer|taj|ovaj|kraju)"
            "|drugim riječima|drugim rečima|u (?:tom|ovom|ovoj|tim|ovim|suprotnom)|to (?:znači|je)|pri (?:tome|tom"
            "|ovome)|kao što je|istovremeno|umjesto toga|umesto toga|radi se o"
        ),
        shows="ovaj ova ovo ove ovi ovog ovoga ovom ovome ovoj ovu ovih ovim ovima ovakav ovakva ovakvo ovakve ovakvi",
        shows_by="t(?:aj|og|oga|om|ome|oj)(?! (?:koj|što|da|kad))|takv(?:a|o|e|i|og|ih|im|oj|u)(?! da)|takav(?! da)",
        sends=(
            r"gore (?:naveden|spomenut|opisan|pomenut)\w*|dolje (?:naveden|opisan)\w*|(?:gore|dolje|dole|niže) (?:je"
            r"|su)|(?:sljedeć|slijedeć|sledeć)\w+ (?:slik|primjer|primer|tablic|tabel|poglavlj|stranic|korak|način)\w*"
            r"|naveden(?:i|a|o|e|og|ih|im|oj|om)|(?:spo|po)menut\w+|(?:prethodn)\w+ (?:slik|primjer|primer|tablic"
            r"|poglavlj|stranic|korak)\w*|vidi|vidite|na slici|u (?:tablici|tabeli|poglavlju|nastavku)"
        ),
        near=(
            "njegov njegova njegovo njegove njegovi njen njena njeno njene njezin njezina njihov njihova njihovo "
            "njihove on ona ono oni one ga mu joj njemu njoj njih njima"
        ),
        again="također takođe isto oba obje obe slično",
        told=r"ist(?:i|a|o|e|og|om|oj|ih|im)|ostal(?:i|e|a|o|ih|im)|drugi od|preostal\w+",
    ),
    "Ukrainian": Pointing(
        common=(
            "і та що не є до від як або для за під це які який яка яке при було бути його про також щоб якщо між їх із"
        ),
        opens=(
            "проте однак тому отже також тоді потім далі надалі зокрема наприклад водночас натомість тобто втім утім "
            "адже але й і або та зрештою нарешті звідси відтак аналогічно подібно інакше тут це пізніше обидва обидві "
            "крім а там"
        ),
        opens_with=(
            r"крім (?:того|цього)|відповідно(?! до)|при (?:цьому|цих)|на (?:відміну від ць|основі ць)\w*"
            "|з (?:іншого боку|цього|цією|того)|у (?:цьому|цій|цих|такому|результаті|зв язку)|в (?:цьому|цій|цих"
            "|такому|результаті)|таким чином|так само|до того ж|після (?:цього|того)(?! як)|іншими словами"
            "|тим (?:самим|не менш|часом)|для цього|завдяки (?:цьому|чому)|більше того|то(?! що)|через це|за (?:цих"
            "|таких|цими)|як (?:видно|зазначено|показано|згадувалося)|і навпаки"
        ),
        shows="ним оцей даний даного даної даному цей цього цьому цим цими цих цієї цій цю ця ці",
        shows_by="так(?:ий|а|е|і|ого|ому|им|ої|ій|ою|их|ими|у)(?! (?:як|що|чином))|ц(?:е|ей|ю)(?! що)",
        sends=(
            r"(?:вище|нижче)(?! (?:за|від|\d))|наведен\w+ (?:вище|нижче)|наступн\w+ (?:приклад|рисун|розділ|таблиц"
            r"|крок|чином|команд)\w*|див|дивіться|згадан\w+|вище?згадан\w+|вказан(?:ий|а|е|і|ого|их|им|ої)"
            r"|зазначен(?:ий|а|е|і|ого|их)|попередн\w+ (?:приклад|рисун|розділ|таблиц|крок)\w*|на (?:рисунку|малюнку"
            "|схемі)|у таблиці"
        ),
        near="він вона воно вони його її їх їхній їхня їхнє їхні йому їй ним нею ними ньому ній",
        again="також теж обидва обидві аналогічно",
        told="т(?:ой|а|е|і|ого|им) самий?|так само|інш(?:ий|а|і) з|решт[аи]|остан(?:ній|ня|нє|ні)|інші$",
    ),
    "Russian": Pointing(
        common=(
            "и не что как для это или от до по из на с в к при если может также его есть быть был которые который ее "
            "их все нашем другими иными"
        ),
        opens=(
            "впоследствии наоборот напротив аналогично следовательно соответственно подобно следом посему отсюда "
            "взамен вместо наряду итого зачастую либо дополнительные дополнительно затем здесь именно которая которое "
            "которые который кроме он она они оно поэтому потом также там тогда тот но а и или причем причём тоже "
            "далее ему теперь её ее зато значит иначе итак их кстати однако оба обе наконец включая достаточно "
            "например ведь это"
        ),
        opens_with=(
            r"вместе с тем|тем (?:не менее|самым|временем)|подобным образом|в (?:результате(?! \w+(?:ия|ки|ы|и)\b)"
            "|связи с (?:этим|чем)|свою очередь|то же время|частности|противном случае|таких|данном|этих|этой)"
            "|по (?:этой|той|данной|этому)|с (?:другой|одной) стороны|более того|к (?:тому|этому|ним|нему)"
            "|прежде всего|для (?:этого|того чтобы это|этой|данн)|благодаря (?:этому|чему)|кроме (?:того|этого)"
            "|после (?:этого|чего)|точно так|до этого|за счет этого|несмотря на это|вследствие (?:этого|чего)|из этого"
            "|отсюда|из за этого|именно (?:поэтому|так|это)|так(?! как)|аналогичным образом|то(?! что)"
            r"|в наш\w+ (?:пример|случа)\w+|в конце концов|то есть|как (?:вы|мы|ты|уже|видно)|(?:ещё|еще) од\w+"
            r"|в данн\w+|во (?:первых|вторых)|так что|(?:другими|иными) словами|если вы помните"
        ),
        shows=(
            "данный данного данном данная данное данной данную данному вышеуказанный вышеуказанные вышеуказанных "
            "вышеупомянутый вышеупомянутые вышеизложенное нижеследующие таковые таковых оные этот эта эти этой этого "
            "этому этим этими этих эту этом такой такая такое такие таких таким такими такому такого таком"
        ),
        shows_by="подобн(?:ый|ая|ое|ые|ого|ой|ому|ых|ым|ыми)(?! образом)",
        sends=(
            r"следующ\w+ (?:пример|рисун|образом|глав|раздел|таблиц|команд|формул|код|схем|шаг|страниц)\w*"
            r"|предыдущ\w+ (?:пример|рисун|глав|раздел|таблиц|шаг|страниц|параграф|пункт)\w*|настоящ\w+ (?:глав"
            r"|документ|книг|руководств|раздел|стать|работ|инструкц|положени|правил)\w*|на (?:рисунке|схеме"
            "|иллюстрации|графике|картинке)|в (?:таблице|приложении)|упомянут(?:ый|ая|ое|ые|ого|ой|ых|ым)|смотри"
            r"|смотрите|(?:представлен|показан|изображен)\w* (?:выше|ниже|на рис)\w*|рассматриваем\w+|вышеописанн\w+"
            r"|(?:описан|приведен|указан)\w* здесь"
        ),
        near="ею нею ними его ее её ему ей им ими их него нее неё нем нём ней них он она они",
        again="аналогично оба обе",
        told="(?:т(?:от|а|о|е|ого|ой|ому|ем|ех)) же|такой же|такие же|друг(?:ой|ая|ие) из|обоих|обеих|прочие$|другие$",
    ),
    "Bulgarian": Pointing(
        common=(
            "на и за се от да е са с в по не при или като който която което които до има през към със във ще може са"
        ),
        opens=(
            "обаче затова следователно също после тогава например така накрая оттук тук това впрочем обратно освен "
            "двата двете но а и или там именно иначе"
        ),
        opens_with=(
            "освен това|след (?:това|което)|въпреки (?:това|тово)|по (?:късно|този|тази|същия)|от (?:друга страна|това"
            "|тук)|с (?:други думи|това)|в (?:този|тази|тези|такъв|противен|резултат)|при (?:това|този|тези)"
            "|за (?:това|целта)|поради (?:това|тази)|то ест|т е|в същото време|вследствие на това"
        ),
        shows="този тази тези такъв такава такова такива онзи онази онова онези тоя тая",
        shows_by="това(?! (?:че|което|да|дали))",
        sends=(
            r"(?:по )?(?:горе|долу)(?:посочен|описан|изброен|споменат)\w*|по (?:горе|долу)|следн(?:ия|ият|ата|ото|ите)"
            r"|следващ\w+ (?:пример|фигур|раздел|глав|таблиц|стъпк)\w*|предишн\w+ (?:пример|фигур|раздел|глав|таблиц"
            r"|стъпк)\w*|споменат\w+|посочен(?:ия|ият|ата|ото|ите)|виж|вж|на фигурата|в таблицата"
            r"|настоящ\w+ (?:документ|глав|раздел)\w*"
        ),
        near=(
            "той тя те нея тях неговият неговата неговото неговите нейният нейната нейните техният техните негов неин "
            "техен му ѝ им него"
        ),
        again="също двата двете аналогично",
        told="същ(?:ия|ият|ата|ото|ите)|другите|останалите|другият|другата|втората|вторият",
    ),
}
