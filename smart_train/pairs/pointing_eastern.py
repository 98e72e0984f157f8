"""The words of Slavic, Baltic, Finnic languages, of Greek, Hungarian and Turkish that point out of a sentence.

Most of Russian is told by `smart_train.pairs.leaning`; what it lacks is here."""

from __future__ import annotations

from smart_train.pairs.pointing_classes import Pointing

LANGUAGES = {
    "Finnish": Pointing(
        "ja on ei että joka jotka kun tai myös ovat voi jos mutta kuin sekä ole voidaan mukaan ennen kanssa sen se",
        "sitä siinä siitä siihen sillä siltä sille ne niissä niistä niihin niillä nuo tuo myös edelleen sitten näin"
        " niin joten täten mutta ja tai vaan eli toisaalta lopuksi lopulta samoin muuten muutoin silti seuraavaksi"
        " molemmat jälkimmäinen edellinen tosin nimittäin vastaavasti päinvastoin samalla siis täällä siellä"
        " esimerkiksi myöhemmin siten toiseksi kolmanneksi",
        "sen (?:lisäksi|sijaan|vuoksi|takia|jälkeen|avulla)(?! että)|tästä (?:syystä|johtuen)|toisin sanoen|toisaalta"
        "|samaan aikaan|siitä (?:huolimatta|syystä)|tällä tavalla|toinen (?:on|tapa)|kuten (?:edellä|yllä|todettu)",
        "tähän tästä tällä tältä tälle tänä näitä näissä näistä näihin näillä näiltä näille tällaisen tällaisia"
        " tällaiset tällaista sellainen sellaisen sellaiset tuohon tuolla tuossa",
        r"se(?:n|llaiset|llaisia)? sama|kyseis\w+|mainit(?:tu|un|ut|tuja|tujen)",
        r"edellä|alla(?:oleva\w*| oleva\w*| mainit\w*)|yllä(?:oleva\w*| oleva\w*| mainit\w*)|seuraavassa|seuraavasti"
        r"|seuraava\w* (?:kuva|esimerk|taulu|kappale|luvu|sivu|vaihe)\w*|oheis\w+|kuvassa|taulukossa|katso|ks"
        r"|edellise\w+ (?:kuva|esimerk|luvu|kappale|sivu)\w*",
        "hän hänen häntä hänellä hänelle heidän heitä heille heillä niiden niitä",
        "myös molemmat samoin edelleen kumpikin",
        r"muut|toinen niistä|loput|jälkimmäi\w+|samat|saman|molem\w+",
    ),
    "Polish": Pointing(
        "jest się nie jak że dla przez oraz są który na i w z do o po od za lub to ze można co być przy",
        "więc toteż stąd tymczasem następnie później dalej wówczas dodatkowo podobnie odwrotnie mianowicie bowiem"
        " otóż niemniej jednakże ale lecz a i czyli oraz albo oba obie obaj tu tutaj tam tak inaczej przeciwnie"
        " owszem najpierw",
        "w (?:ten sposób|rezultacie|efekcie|konsekwencji|związku z (?:tym|powyższym)|przeciwnym (?:razie|wypadku)"
        r"|dodatku|tym|takim|obu|szczególności)|z (?:tego|tych|drugiej|jednej|kolei|powyższ)\w*|oprócz tego|mimo (?:to"
        r"|tego)|pomimo (?:to|tego)|innymi słowy|to (?:znaczy|jest|oznacza|był|pozwala|dzięki|właśnie)\w*|po"
        " (?:pierwsze|drugie|trzecie|czym)|tak więc|co (?:więcej|istotne|ważne)|przy tym|tym samym|poza tym|do tego"
        "|dzięki temu|między innymi|na (?:tej|tym|to|tę)|od tego|jest to|są to|ten sam|ma to",
        "tą temu tymże ową owego owych owa ów",
        "te[n]?(?! (?:któr|kto|sam))|t[aę](?! (?:któr|sam))|tak(?:i|a|iego|iej|ich|im|imi|ą)(?! (?:jak|że|aby|który"
        "|sam|sposób))|takie(?! (?:jak|że|aby|któr))",
        r"powyższ\w+|poniższ\w+|niniejsz\w+|wspomnian\w+|wyżej wymienion\w+|ww|omawian\w+|tenże|następując\w+"
        r" (?:sposób|przykład|rysun|tabel|wzór|wzor|fragment|kod|poleceni)\w*|na (?:rysunku|wykresie|ilustracji"
        r"|schemacie|zdjęciu)|w (?:tabeli|rozdziale|następnym|poprzednim)|(?:następn|poprzedn|kolejn)\w+ (?:rozdzia"
        r"|przykład|rysun|tabel|stron|punk|krok|podrozdzia)\w*|patrz|zob|por|zobacz",
        "jego jej ich nim nią niej nich jemu mu im on ona ono oni one",
        "oba obie obaj obu ponadto następnie podobnie",
        r"ten sam|ta sama|to samo|te same|tych samych|tym samym|tej samej|tego samego|pozostał\w+|ci sami|drugi z"
        "|druga z|inni$|inne$",
    ),
    "Czech": Pointing(
        "se na je že jsou pro nebo jako ve který která které při podle být není ze od pokud jeho však z do s v a",
        "tento takto tak pak potom poté následně dále navíc také též zároveň jenže ale avšak nicméně přesto tudíž"
        " totiž například jinak zde tam a i nebo či neboť dokonce konečně naopak podobně stejně obdobně tehdy oba obě"
        " později",
        "to(?! (?:že|co|znamená))|to znamená|ten(?! kdo)|ta(?! kter)|t[yi](?! kte)|kromě toho|z (?:toho|tohoto"
        "|těchto)|na (?:druhou stranu|základě toho|tomto|těchto|tom)|jinými slovy|v (?:důsledku toho|opačném případě"
        "|takovém|takových|obou|tom)|po(?:kud| té| tom) tomu|za (?:tím|tímto)|ve (?:stejné|skutečnosti)|jak (?:již|už"
        "|bylo|vidno)|k tomu|díky tomu|při tom|tím pádem|do těchto|jedná se|jde o|tzn|tj",
        "tomuto tímto tomto tuto touto této těmto těmito tohle tyhle tenhle",
        "takov(?:ý|á|é|ého|ému|ém|ým|ých|ými|ou|éto|ýto|áto)(?! (?:kter|že|aby|jak))|t(?:ěch|ěmi|ěm)(?! (?:kte|co))",
        r"výše|níže(?! než)|následujíc\w+ (?:obráz|příklad|tabul|kapitol|část|kód|způsob|postup|příkaz|krok|schém"
        r"|vzor)\w*|zmíněn\w+|zmiňovan\w+|předchoz\w+ (?:kapitol|příklad|obráz|část|odstav|tabul|krok)\w*|viz|na"
        " (?:obrázku|schématu|grafu)|v (?:tabulce|kapitole|příloze)|uvedené(?:ho|mu|m)?(?! [vn]a? )|tamtéž",
        "jeho jejich jej její ji jí jim jimi němu něm ní nich nimi on ona ono oni",
        "také též rovněž oba obě podobně zároveň stejně",
        "ostatní|stejn(?:ý|á|é|ého|ém|ým|ých|ými|ou)|tentýž|totéž|tatáž|zbývající|druhý z|druhá z",
    ),
    "Slovak": Pointing(
        "sa na je že sú pre alebo ako vo ktorý ktorá ktoré pri podľa byť nie zo od ak jeho však z do s v a so",
        "tento toto preto teda tiež takisto taktiež ďalej navyše potom následne zároveň avšak ale napríklad inak"
        " naopak podobne rovnako tak takto tu a i aj alebo lebo dokonca konečne nakoniec neskôr obaja obe",
        "to(?! (?:že|čo))|ten(?! kto)|okrem toho|napriek tomu|z (?:toho|tohto|týchto)|na (?:druhej strane|základe"
        " toho|tomto)|inými slovami|v (?:dôsledku toho|opačnom prípade|takom|tomto|tejto|týchto)|po tom|tým|jedná sa"
        "|ide o|ako (?:už|bolo)|vďaka tomu|t j|tj",
        "tohto tejto tomuto tomto týmto touto týchto týmito túto táto tieto takýto takáto takéto",
        "tak(?:ý|á|é|ého|ému|om|ým|ých|ými|ú|ej)(?! (?:ktor|že|aby|ak))",
        r"vyššie(?! ako)|nižšie(?! ako)|nasledujúc\w+ (?:obráz|príklad|tabuľ|kapitol|časť|kód|spôsob|postup|príkaz"
        r"|krok)\w*|spomenut\w+|spomínan\w+|predchádzajúc\w+ (?:kapitol|príklad|obráz|časť|odsek|tabuľ|krok)\w*|pozri"
        "|viď|na obrázku|v (?:tabuľke|kapitole|prílohe)|uvedené(?:ho|mu)?(?! [vn]a? )",
        "jeho jej ich ním ňom ňou nich nimi jemu mu im on ona ono oni ony",
        "tiež taktiež takisto rovnako obaja obe podobne",
        r"ostatn\w+|rovnak\w+|ten istý|tá istá|to isté|zvyšn\w+|druhý z|druhá z",
    ),
    "Slovene": Pointing(
        "in je na se za da so ki ali pri kot ter tudi od po lahko ne pa med kako če s z v iz",
        "ta to te ti zato torej vendar toda ampak nato prav tudi namreč zatorej sicer in ali ter tako takrat tedaj"
        " nasprotno drugače podobno poleg hkrati končno tukaj tam kasneje pozneje oba obe",
        "poleg (?:tega|teh)|zaradi (?:tega|teh)|kljub (?:temu|tem)|po drugi strani|na (?:ta|primer|koncu)|z drugimi"
        " besedami|v (?:tem|teh|tej|takem|nasprotnem)|prav tako|to (?:pomeni|je)|s tem|pri (?:tem|teh|tej)|namesto"
        " tega",
        "takšen takšna takšno takšne takšni takšnega takšnih tovrstne tovrstni tovrstna tovrstnih",
        r"te(?:ga|j|mu|m|h|mi)(?! (?:ki|da|kar|kako))|(?:tak|taka|tako)(?= (?:sistem|način|postop)\w*)",
        r"zgoraj|spodaj|omenjen\w+|naslednj\w+ (?:slik|primer|tabel|poglavj|stran|korak)\w*|prejšnj\w+ (?:slik|primer"
        r"|tabel|poglavj|stran|korak)\w*|glejte?|na sliki|v (?:tabeli|poglavju)|zgornj\w+ (?:primer|slik|tabel)\w*"
        r"|spodnj\w+ (?:primer|slik|tabel)\w*",
        "njegov njegova njegovo njegove njen njena njeno njene njihov njihova njihovo njihove on ona oni njem njej"
        " njim njih jih ga",
        "tudi oba obe ravno prav",
        r"ist(?:i|a|o|e|ega|em|ih)|ostal(?:i|e|a|ih)|drugi od|preostal\w+",
    ),
    "Croatian": Pointing(
        "je u na se i da za su od koji koja koje ili kao iz sa bi može s kod prema nije pri te biti o kako",
        "taj ta to te ti međutim stoga zato dakle zatim potom također takođe ipak ali nego već naime naprotiv inače"
        " slično tako time ovime tada a i ili no pritom onda ovdje ovde tamo kasnije nakon oba obje obe",
        "nakon toga|osim toga|pored toga|zbog toga|s druge strane|na (?:primjer|primer|taj|ovaj|kraju)|drugim"
        " riječima|drugim rečima|u (?:tom|ovom|ovoj|tim|ovim|suprotnom)|to (?:znači|je)|pri (?:tome|tom|ovome)|kao"
        " što je|istovremeno|umjesto toga|umesto toga|radi se o",
        "ovaj ova ovo ove ovi ovog ovoga ovom ovome ovoj ovu ovih ovim ovima ovakav ovakva ovakvo ovakve ovakvi",
        "t(?:aj|og|oga|om|ome|oj)(?! (?:koj|što|da|kad))|takv(?:a|o|e|i|og|ih|im|oj|u)(?! da)|takav(?! da)",
        r"gore (?:naveden|spomenut|opisan|pomenut)\w*|dolje (?:naveden|opisan)\w*|(?:gore|dolje|dole|niže) (?:je|su)"
        r"|(?:sljedeć|slijedeć|sledeć)\w+ (?:slik|primjer|primer|tablic|tabel|poglavlj|stranic|korak|način)\w*"
        r"|naveden(?:i|a|o|e|og|ih|im|oj|om)|(?:spo|po)menut\w+|(?:prethodn)\w+ (?:slik|primjer|primer|tablic|poglavlj"
        r"|stranic|korak)\w*|vidi|vidite|na slici|u (?:tablici|tabeli|poglavlju|nastavku)",
        "njegov njegova njegovo njegove njegovi njen njena njeno njene njezin njezina njihov njihova njihovo njihove"
        " on ona ono oni one ga mu joj njemu njoj njih njima",
        "također takođe isto oba obje obe slično",
        r"ist(?:i|a|o|e|og|om|oj|ih|im)|ostal(?:i|e|a|o|ih|im)|drugi od|preostal\w+",
    ),
    "Ukrainian": Pointing(
        "і та що не є до від як або для за під це які який яка яке при було бути його про також щоб якщо між їх із",
        "проте однак тому отже також тоді потім далі надалі зокрема наприклад водночас натомість тобто втім утім адже"
        " але й і або та зрештою нарешті звідси відтак аналогічно подібно інакше тут це ці цей ця пізніше обидва"
        " обидві крім",
        r"крім (?:того|цього)|відповідно(?! до)|при (?:цьому|цих)|на (?:відміну від ць|основі ць)\w*|з (?:іншого боку"
        "|цього|цією|того)|у (?:цьому|цій|цих|такому|результаті|зв язку)|в (?:цьому|цій|цих|такому|результаті)|таким"
        " чином|так само|до того ж|після (?:цього|того)(?! як)|іншими словами|тим (?:самим|не менш|часом)|для цього"
        "|завдяки (?:цьому|чому)|більше того|то(?! що)|через це|за (?:цих|таких|цими)|як (?:видно|зазначено|показано"
        "|згадувалося)|і навпаки",
        "ним оцей даний даного даної даному",
        "так(?:ий|а|е|і|ого|ому|им|ої|ій|ою|их|ими|у)(?! (?:як|що|чином))|ц(?:е|ей|ю)(?! що)",
        r"(?:вище|нижче)(?! (?:за|від|\d))|наведен\w+ (?:вище|нижче)|наступн\w+ (?:приклад|рисун|розділ|таблиц|крок"
        r"|чином|команд)\w*|див|дивіться|згадан\w+|вище?згадан\w+|вказан(?:ий|а|е|і|ого|их|им|ої)|зазначен(?:ий|а|е|і"
        r"|ого|их)|попередн\w+ (?:приклад|рисун|розділ|таблиц|крок)\w*|на (?:рисунку|малюнку|схемі)|у таблиці",
        "він вона воно вони його її їх їхній їхня їхнє їхні йому їй ним нею ними ньому ній",
        "також теж обидва обидві аналогічно",
        "т(?:ой|а|е|і|ого|им) самий?|так само|інш(?:ий|а|і) з|решт[аи]|остан(?:ній|ня|нє|ні)|інші$",
    ),
    "Russian": Pointing(
        "и не что как для это или от до по из на с в к при если может также его есть быть был которые который ее их"
        " все",
        "впоследствии наоборот напротив аналогично следовательно соответственно подобно следом посему отсюда взамен"
        " вместо наряду итого зачастую либо",
        r"вместе с тем|тем (?:не менее|самым|временем)|подобным образом|в (?:результате(?! \w+(?:ия|ки|ы|и)\b)|связи с"
        " (?:этим|чем)|свою очередь|то же время|частности|противном случае|таких|данном|этих|этой)|по (?:этой|той"
        "|данной|этому)|с (?:другой|одной) стороны|более того|к (?:тому|этому|ним|нему)|прежде всего|для (?:этого"
        "|того чтобы это|этой|данн)|благодаря (?:этому|чему)|кроме (?:того|этого)|после (?:этого|чего)|точно так|до"
        " этого|за счет этого|несмотря на это|вследствие (?:этого|чего)|из этого|отсюда|из за этого|именно (?:поэтому"
        "|так|это)|так(?! как)|аналогичным образом|то(?! что)",
        "данный данного данном данная данное данной данную данному вышеуказанный вышеуказанные вышеуказанных"
        " вышеупомянутый вышеупомянутые вышеизложенное нижеследующие таковые таковых оные",
        "подобн(?:ый|ая|ое|ые|ого|ой|ому|ых|ым|ыми)(?! образом)",
        r"следующ\w+ (?:пример|рисун|образом|глав|раздел|таблиц|команд|формул|код|схем|шаг|страниц)\w*|предыдущ\w+"
        r" (?:пример|рисун|глав|раздел|таблиц|шаг|страниц|параграф|пункт)\w*|настоящ\w+ (?:глав|документ|книг"
        r"|руководств|раздел|стать|работ|инструкц|положени|правил)\w*|на (?:рисунке|схеме|иллюстрации|графике"
        "|картинке)|в (?:таблице|приложении)|упомянут(?:ый|ая|ое|ые|ого|ой|ых|ым)|смотри|смотрите|(?:представлен"
        r"|показан|изображен)\w* (?:выше|ниже|на рис)\w*|рассматриваем\w+|вышеописанн\w+",
        "ею нею ними",
        "аналогично оба обе",
        "(?:т(?:от|а|о|е|ого|ой|ому|ем|ех)) же|такой же|такие же|друг(?:ой|ая|ие) из|обоих|обеих|прочие$|другие$",
    ),
    "Bulgarian": Pointing(
        "на и за се от да е са с в по не при или като който която което които до има през към със във ще може са",
        "обаче затова следователно също после тогава например така накрая оттук тук това впрочем обратно освен двата"
        " двете",
        "освен това|след (?:това|което)|въпреки (?:това|тово)|по (?:късно|този|тази|същия)|от (?:друга страна|това"
        "|тук)|с (?:други думи|това)|в (?:този|тази|тези|такъв|противен|резултат)|при (?:това|този|тези)|за (?:това"
        "|целта)|поради (?:това|тази)|то ест|т е|в същото време|вследствие на това",
        "този тази тези такъв такава такова такива онзи онази онова онези тоя тая",
        "това(?! (?:че|което|да|дали))",
        r"(?:по )?(?:горе|долу)(?:посочен|описан|изброен|споменат)\w*|по (?:горе|долу)|следн(?:ия|ият|ата|ото|ите)"
        r"|следващ\w+ (?:пример|фигур|раздел|глав|таблиц|стъпк)\w*|предишн\w+ (?:пример|фигур|раздел|глав|таблиц"
        r"|стъпк)\w*|споменат\w+|посочен(?:ия|ият|ата|ото|ите)|виж|вж|на фигурата|в таблицата|настоящ\w+ (?:документ"
        r"|глав|раздел)\w*",
        "той тя те нея тях неговият неговата неговото неговите нейният нейната нейните техният техните негов неин"
        " техен му ѝ",
        "също двата двете аналогично",
        "същ(?:ия|ият|ата|ото|ите)|другите|останалите|другият|другата|втората|вторият",
    ),
    "Greek": Pointing(
        "και το η ο να του της την τη των για με που σε από στο στη στην είναι τα οι ότι δεν θα τον ένα μια",
        "άρα συνεπώς επιπλέον επιπρόσθετα έτσι τότε έπειτα ύστερα τέλος ακολούθως παρομοίως ομοίως αντίθετα αντιθέτως"
        " αλλά και ή εντούτοις μάλιστα δηλαδή εξάλλου άλλωστε συγχρόνως ταυτόχρονα αργότερα εκεί αμφότερα αλλιώς"
        " διαφορετικά συγκεκριμένα εκείνο εκείνη εκείνος",
        "για (?:παράδειγμα|το λόγο αυτό|αυτό|τον λόγο αυτό|τον σκοπό αυτό)|ως εκ τούτου|κατά συνέπεια|με άλλα λόγια"
        r"|στη[ν]? συνέχεια|από την άλλη|παρ όλα|παρά ταύτα|εκτός από αυτ\w+|με (?:τον τρόπο αυτό|αυτό\w*)|την ίδια"
        r" στιγμή|πιο συγκεκριμένα|η άλλη|το ίδιο|οι υπόλοιπ\w+|ακόμ[αη](?! και (?:αν|όταν))|σε (?:αυτή|αυτό|αντίθεση"
        r" με αυτ|τέτοι)\w*|επί(?:σης|πλέον)|μετά από αυτ\w+|εξ ίσου|όπως (?:είδαμε|αναφέρθηκε|προαναφέρθηκε|φαίνεται)"
        r"|παράλληλα(?! με)|πρόκειται για|δεν είναι όμως|κάτι τέτοιο|λόγω αυτ\w+|εξαιτίας αυτ\w+",
        "τούτο τούτη τούτα τέτοιος τέτοια τέτοιο τέτοιοι τέτοιες τέτοιου τέτοιων τέτοιους",
        "εκείν(?:ος|η|ο|οι|ες|α|ου|ης|ων|ους|ον|ην)(?! (?:που|οι οποί|ο οποί))",
        r"παραπάνω(?! από)|παρακάτω|ακόλουθ\w+|προαναφερ\w+|εν λόγω|ανωτέρω|κατωτέρω|προηγούμεν\w+ (?:ενότητ|κεφάλαι"
        r"|παράδειγμ|εικόν|σχήμα|πίνακ|σελίδ|βήμα|παράγραφ)\w*|επόμεν\w+ (?:ενότητ|κεφάλαι|παράδειγμ|εικόν|σχήμα|πίνακ"
        r"|σελίδ|παράγραφ)\w*|βλ|βλέπε|δείτε|ανατρέξτε|στο (?:σχήμα|διάγραμμα|παράρτημα)|στην εικόνα|στον πίνακα"
        r"|παρούσα\w*|παρόντος|παρόν|εξής$|ως εξής",
        "",
        "επίσης ομοίως αμφότερα",
        r"τ?(?:ο|α|ην|η|ων|ους|ις|ης|ον) ίδι[οαεων]\w*|(?:οι|τα|τους|τις|των|η|το|ο) (?:άλλ[οηαε]\w*|υπόλοιπ\w+)|και"
        r" (?:οι|τα|τις|τους) δύο|τελευταί(?:ος|α|ο|οι|ες) αυτ\w+",
    ),
    "Hungarian": Pointing(
        "a van is az és hogy nem egy vagy meg ha mint csak kell lehet azt minden szerint volt ami amely ezek nincs"
        " volna még már",
        "viszont ugyanakkor tehát így emellett ebben ezen eközben ilyenkor ezután azután majd később végül ugyanis"
        " mindazonáltal mindemellett például illetve valamint és de vagy szintén ugyanez ugyanígy hasonlóképpen"
        " ellenben ellenkező következésképpen ennélfogva itt ott akkor különben amúgy ráadásul mindkettő mindkét"
        " ezenkívül ezenfelül egyrészt másrészt eszerint ekképpen",
        "ezért|e (?:mellett|célból|szerint|miatt|nélkül)|annak ellenére(?! hogy)|azaz|vagyis|más szóval|egyidejűleg"
        r"|ezzel (?:szemben|együtt)|ez (?:az|azt|a)|az (?:ilyen|előbbi|utóbbi|előző|említett|alábbi|ugyan)\w*|a"
        r" (?:másik|második|fenti|következő|többi)\w*|ily(?:en)? módon|nem csak ez|ugyanez\w*|mint (?:láttuk"
        "|említettük|látható)",
        "ez ennek ezzel ebből erre erről ezeket ezeknek ezekkel ezekben ezekre ezekről ettől ehhez ezekhez ezektől"
        " ilyen ilyenek ilyet efféle emiatt ezáltal",
        r"e (?=(?:fejezet|dokumentum|könyv|cikk|tanulmány|módszer|célra)\w*)",
        r"fent(?:i|iek|ebb|ieket|iekben)|lent(?:i|iek|ebb)|alább\w*|említett|(?:következő|előző) (?:példa|példá|ábr"
        r"|táblázat|fejezet|oldal|lépés|pont|kép)\w*|lásd|ld|az (?:ábrán|ábra|ábrából)|a (?:képen|táblázatban"
        r"|mellékletben)|jelen (?:dokumentum|fejezet|könyv|cikk|tanulmány|útmutató)\w*|a következőképpen",
        "ő őt ők őket neki nekik vele velük róla róluk tőle benne",
        "szintén mindkettő mindkét ugyanígy hasonlóan",
        r"ugyan(?:az|ez|olyan|ilyen|ezt|azt)\w*|az? (?:utóbbi|előbbi|másik|többi)\w*|mindkét|mindkettő",
    ),
    "Turkish": Pointing(
        "ve bir için ile olarak olan de da daha en çok gibi olduğu kadar veya her sonra ise değil ne göre var olup",
        "şöyle öyle ama lakin yine yani dolayısıyla sonuçta nihayet üstelik ve veya diğer diğerleri aksi örneğin"
        " mesela burada orada ardından böylelikle oysaki halbuki nitekim çünkü zira ikincisi aynı ikisi öte"
        " sonrasında buradan buraya",
        "bu(?:na| yüzden| nedenle| sayede| durumda| şekilde| arada)? (?:göre|rağmen|karşın|ek)|öte yandan|diğer"
        " (?:yandan|taraftan|bir)|bununla birlikte|bunun (?:yanında|yanı|için|dışında|sonucunda|üzerine)|aynı"
        " (?:zamanda|şekilde)|başka bir deyişle|bir başka|ek olarak|ilk olarak|son olarak|daha sonra(?! ki)|aksi"
        " (?:halde|takdirde)|o (?:zaman|halde|nedenle)|her iki(?:si)?|söz konusu|yukarıda|kısacası|şu (?:şekilde|an)",
        "bunu buna bunda bundan bununla bunları bunlara bunlarda bunlardan bunların böyle böylesi şu",
        "",
        "yukarı(?:da|daki|dan)|aşağı(?:da|daki|dan)|(?:sonraki|önceki|bir sonraki) (?:bölüm|şekil|tablo|örnek|sayfa"
        r"|adım|resim)\w*|söz konusu|adı geçen|(?:şekil|tablo|resim|grafik)(?:de|da|te) (?:\w+ )?(?:görül|göster|veril"
        r"|görün)\w*|bkz|bakınız|anılan|sözü edilen|işbu|belirtilen$|şekilde görüldüğü|şekildeki|tablodaki|resimde"
        "|resimdeki",
        "o onun onu ona ondan onlar onların onları onlara kendisi kendisine",
        "aynı ayrıca benzer ikisi",
        r"aynı (?:şekilde|zamanda|biçimde)|diğer(?:i|ini|leri\w*)|her iki(?:si)?|öteki\w*|ilki|ikincisi|sonuncusu",
    ),
    "Estonian": Pointing(
        "ja on ei et või kui mis ka oma see kes aga ning ole saab tuleb kuni võib mille selle siis nii",
        "selle seda sellest sellesse sellel sellele sellega need nendest samuti seega kuid aga siis lisaks näiteks"
        " seejärel hiljem sellepärast seetõttu järelikult ent siiski niisiis ka ja või ning teiseks lõpuks muidu"
        " vastupidi sarnaselt samas samal seal siin mõlemad ehk nimelt edasi",
        "see(?! (?:et|mis|kes))|teisest küljest|teisalt|teiste sõnadega|sel(?:lisel)? (?:viisil|juhul|põhjusel|moel"
        r"|ajal)|nii(?: \w+)? saab|selle asemel|peale selle|tänu sellele|see tähendab|vaatamata sellele",
        "seesugune niisugune niisuguse niisugused taoline taolised antud",
        "s(?:ee|elles|ellega|ellele|ellel|ellest|elleks)(?! (?:et|mis|kes|kui|millal|kas|kuidas))|selli(?:ne|se|sed"
        "|st|seid|stes|ses)(?! (?:et|mis|nagu))|ne(?:ed|id|nde|is|ist)(?! (?:kes|mis))",
        r"ülal(?:toodud|mainitud|nimetatud|pool)|all(?:toodud|järgnev|pool)\w*|(?:järgmi|järgnev|eelmi|eelnev)\w+"
        r" (?:joonis|näi|tabel|peatük|lehekül|samm|pil)\w*|eespool|nimetatud|mainitud|joonisel|tabelis|vt|vaata"
        r"|käesolev\w*",
        "tema ta nad nende neid talle neile temale teda temaga",
        "samuti mõlemad ka",
        r"sama(?:d|de|s|l|st)?|teised|teine neist|ülejäänud|mõlema\w*|viimane$",
    ),
    "Latvian": Pointing(
        "un ir no ar par uz kas ka ir vai pie var nav tiek to kā lai pēc līdz tā tas bet kuru kura",
        "tas tie tāds tāda tādi tādas tādu tomēr tādēļ tāpēc turklāt tātad tad turpretim savukārt piemēram arī vēlāk"
        " beidzot un bet vai otrkārt tādējādi turpmāk citādi līdzīgi abi abas šeit tur",
        "pēc tam|līdz ar to|bez tam|no otras puses|tajā pašā laikā|citiem vārdiem|tas nozīmē|šādā veidā|tā(?:dā)?"
        " veidā|tai skaitā|neskatoties uz to",
        "šis šī šā šīs šim šai šo šajā šie šiem šīm šos šajos šajās šāds šāda šādi šādas šādu šādam šādā minētais"
        " minētā minētie minētās minēto",
        "tād(?:u|a|as|i|os)(?! (?:kā|kas|ka))",
        r"iepriekš (?:minēt|aprakstīt)\w*|augstāk minēt\w*|turpmāk|zemāk(?! par)|nākam\w+ (?:attēl|piemēr|tabul"
        r"|nodaļ)\w*|skat|skatīt|skatiet|attēlā|tabulā|šajā nodaļā|iepriekšēj\w+ (?:nodaļ|piemēr|attēl)\w*",
        "viņš viņa viņi viņas viņu viņam viņai viņiem viņām tās tā tam",
        "arī abi abas",
        r"tas pats|tā pati|tie paši|tās pašas|pārēj\w+|otrs|otra|abi",
    ),
    "Lithuanian": Pointing(
        "ir yra kad su iš į ar kaip nuo bei apie per tai jei tik būti gali prie dėl arba kuris kuri pagal po",
        "tai tas ta tie tos tačiau todėl taigi pavyzdžiui tuomet tada vėliau taip ir bet o arba galiausiai kitaip"
        " panašiai priešingai čia ten abu abi taipogi toliau vadinasi",
        "be to|taip pat|vis dėlto|tokiu (?:būdu|atveju)|kita vertus|antra vertus|dėl (?:to|šios|šių)|kitaip tariant"
        "|tuo (?:pačiu|pat|metu)|po to|nepaisant to|tai reiškia|šiuo (?:atveju|metu)",
        "šis ši šio šios šiam šiai šį šią šiuo šia šiame šioje šie šių šiems šioms šiuos šias šiais šiomis šiuose"
        " šiose toks tokia tokie tokios tokio tokį tokią tokiu tokių minėtas minėta minėti minėtos",
        "",
        r"aukščiau (?:minėt|pateikt|aprašyt)\w*|žemiau (?:pateikt|nurodyt)\w*|toliau pateikt\w*|(?:kit|sekan"
        r"|ankstesn)\w+ (?:paveiksl|pavyzd|lentel|skyri|skyriu|žingsn)\w*|žr|žiūrėkite|paveiksle|lentelėje|minėt\w+",
        "jis ji jie jos jo jį ją jam jai jais jomis juos jas jų",
        "abu abi irgi",
        r"tas pats|ta pati|tie patys|tos pačios|kiti$|likus\w+|abu|abi",
    ),
}
