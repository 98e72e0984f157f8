"""The words of Baltic and Finnic languages, of Greek, Hungarian and Turkish that point out of a sentence."""

from __future__ import annotations

from smart_train.pairs.pointing.entry import Pointing

LANGUAGES = {
    "Finnish": Pointing(
        common=(
            "ja on ei että joka jotka kun tai myös ovat voi jos mutta kuin sekä ole voidaan mukaan ennen kanssa sen se"
        ),
        opens=(
            "sitä siinä siitä siihen sillä siltä sille ne niissä niistä niihin niillä nuo tuo myös edelleen sitten "
            "näin niin joten täten mutta ja tai vaan eli toisaalta lopuksi lopulta samoin muuten muutoin silti "
            "seuraavaksi molemmat jälkimmäinen edellinen tosin nimittäin vastaavasti päinvastoin samalla siis täällä "
            "siellä esimerkiksi myöhemmin siten toiseksi kolmanneksi sen siksi kuitenkin lisäksi tällöin tällainen "
            "silloin"
        ),
        opens_with=(
            "sen (?:lisäksi|sijaan|vuoksi|takia|jälkeen|avulla)(?! että)|tästä (?:syystä|johtuen)|toisin sanoen"
            "|toisaalta|samaan aikaan|siitä (?:huolimatta|syystä)|tällä tavalla|toinen (?:on|tapa)|kuten (?:edellä"
            "|yllä|todettu)|se (?:on|ei|voi)"
        ),
        shows=(
            "tähän tästä tällä tältä tälle tänä näitä näissä näistä näihin näillä näiltä näille tällaisen tällaisia "
            "tällaiset tällaista sellainen sellaisen sellaiset tuohon tuolla tuossa tämä tämän tässä tätä nämä näiden"
        ),
        shows_by=r"se(?:n|llaiset|llaisia)? sama|kyseis\w+|mainit(?:tu|un|ut|tuja|tujen)",
        sends=(
            r"edellä|alla(?:oleva\w*| oleva\w*| mainit\w*)|yllä(?:oleva\w*| oleva\w*| mainit\w*)|seuraavassa"
            r"|seuraavasti|seuraava\w* (?:kuva|esimerk|taulu|kappale|luvu|sivu|vaihe)\w*|oheis\w+|kuvassa|taulukossa"
            r"|katso|ks|edellise\w+ (?:kuva|esimerk|luvu|kappale|sivu)\w*"
        ),
        near="hän hänen häntä hänellä hänelle heidän heitä heille heillä niiden niitä",
        again="myös molemmat samoin edelleen kumpikin",
        told=r"muut|toinen niistä|loput|jälkimmäi\w+|samat|saman|molem\w+",
    ),
    "Estonian": Pointing(
        common="ja on ei et või kui mis ka oma see kes aga ning ole saab tuleb kuni võib mille selle siis nii",
        opens=(
            "selle seda sellest sellesse sellel sellele sellega need nendest samuti seega kuid aga siis lisaks "
            "näiteks seejärel hiljem sellepärast seetõttu järelikult ent siiski niisiis ka ja või ning teiseks lõpuks "
            "muidu vastupidi sarnaselt samas samal seal siin mõlemad ehk nimelt edasi"
        ),
        opens_with=(
            "see(?! (?:et|mis|kes))|teisest küljest|teisalt|teiste sõnadega|sel(?:lisel)? (?:viisil|juhul|põhjusel"
            r"|moel|ajal)|nii(?: \w+)? saab|selle asemel|peale selle|tänu sellele|see tähendab|vaatamata sellele"
        ),
        shows="seesugune niisugune niisuguse niisugused taoline taolised antud",
        shows_by=(
            "s(?:ee|elles|ellega|ellele|ellel|ellest|elleks)(?! (?:et|mis|kes|kui|millal|kas|kuidas))|selli(?:ne|se"
            "|sed|st|seid|stes|ses)(?! (?:et|mis|nagu))|ne(?:ed|id|nde|is|ist)(?! (?:kes|mis))"
        ),
        sends=(
            r"ülal(?:toodud|mainitud|nimetatud|pool)|all(?:toodud|järgnev|pool)\w*|(?:järgmi|järgnev|eelmi"
            r"|eelnev)\w+ (?:joonis|näi|tabel|peatük|lehekül|samm|pil)\w*|eespool|nimetatud|mainitud|joonisel|tabelis"
            r"|vt|vaata|käesolev\w*"
        ),
        near="tema ta nad nende neid talle neile temale teda temaga",
        again="samuti mõlemad ka",
        told=r"sama(?:d|de|s|l|st)?|teised|teine neist|ülejäänud|mõlema\w*|viimane$",
    ),
    "Latvian": Pointing(
        common="un ir no ar par uz kas ka ir vai pie var nav tiek to kā lai pēc līdz tā tas bet kuru kura",
        opens=(
            "tas tie tāds tāda tādi tādas tādu tomēr tādēļ tāpēc turklāt tātad tad turpretim savukārt piemēram arī "
            "vēlāk beidzot un bet vai otrkārt tādējādi turpmāk citādi līdzīgi abi abas šeit tur"
        ),
        opens_with=(
            "pēc tam|līdz ar to|bez tam|no otras puses|tajā pašā laikā|citiem vārdiem|tas nozīmē|šādā veidā"
            "|tā(?:dā)? veidā|tai skaitā|neskatoties uz to"
        ),
        shows=(
            "šis šī šā šīs šim šai šo šajā šie šiem šīm šos šajos šajās šāds šāda šādi šādas šādu šādam šādā minētais "
            "minētā minētie minētās minēto"
        ),
        shows_by="tād(?:u|a|as|i|os)(?! (?:kā|kas|ka))",
        sends=(
            r"iepriekš (?:minēt|aprakstīt)\w*|augstāk minēt\w*|turpmāk|zemāk(?! par)|nākam\w+ (?:attēl|piemēr|tabul"
            r"|nodaļ)\w*|skat|skatīt|skatiet|attēlā|tabulā|šajā nodaļā|iepriekšēj\w+ (?:nodaļ|piemēr|attēl)\w*"
        ),
        near="viņš viņa viņi viņas viņu viņam viņai viņiem viņām tās tā tam",
        again="arī abi abas",
        told=r"tas pats|tā pati|tie paši|tās pašas|pārēj\w+|otrs|otra|abi",
    ),
    "Lithuanian": Pointing(
        common="ir yra kad su iš į ar kaip nuo bei apie per tai jei tik būti gali prie dėl arba kuris kuri pagal po",
        opens=(
            "tai tas ta tie tos tačiau todėl taigi pavyzdžiui tuomet tada vėliau taip ir bet o arba galiausiai kitaip "
            "panašiai priešingai čia ten abu abi taipogi toliau vadinasi"
        ),
        opens_with=(
            "be to|taip pat|vis dėlto|tokiu (?:būdu|atveju)|kita vertus|antra vertus|dėl (?:to|šios|šių)"
            "|kitaip tariant|tuo (?:pačiu|pat|metu)|po to|nepaisant to|tai reiškia|šiuo (?:atveju|metu)"
        ),
        shows=(
            "šis ši šio šios šiam šiai šį šią šiuo šia šiame šioje šie šių šiems šioms šiuos šias šiais šiomis šiuose "
            "šiose toks tokia tokie tokios tokio tokį tokią tokiu tokių minėtas minėta minėti minėtos"
        ),
        sends=(
            r"aukščiau (?:minėt|pateikt|aprašyt)\w*|žemiau (?:pateikt|nurodyt)\w*|toliau pateikt\w*|(?:kit|sekan"
            r"|ankstesn)\w+ (?:paveiksl|pavyzd|lentel|skyri|skyriu|žingsn)\w*|žr|žiūrėkite|paveiksle|lentelėje"
            r"|minėt\w+"
        ),
        near="jis ji jie jos jo jį ją jam jai jais jomis juos jas jų",
        again="abu abi irgi",
        told=r"tas pats|ta pati|tie patys|tos pačios|kiti$|likus\w+|abu|abi",
    ),
    "Greek": Pointing(
        common="και το η ο να του της την τη των για με που σε από στο στη στην είναι τα οι ότι δεν θα τον ένα μια",
        opens=(
            "άρα συνεπώς επιπλέον επιπρόσθετα έτσι τότε έπειτα ύστερα τέλος ακολούθως παρομοίως ομοίως αντίθετα "
            "αντιθέτως αλλά και ή εντούτοις μάλιστα δηλαδή εξάλλου άλλωστε συγχρόνως ταυτόχρονα αργότερα εκεί "
            "αμφότερα αλλιώς διαφορετικά συγκεκριμένα εκείνο εκείνη εκείνος επίσης όμως ωστόσο επομένως εδώ"
        ),
        opens_with=(
            "για (?:παράδειγμα|το λόγο αυτό|αυτό|τον λόγο αυτό|τον σκοπό αυτό)|ως εκ τούτου|κατά συνέπεια"
            r"|με άλλα λόγια|στη[ν]? συνέχεια|από την άλλη|παρ όλα|παρά ταύτα|εκτός από αυτ\w+|με (?:τον τρόπο αυτό"
            r"|αυτό\w*)|την ίδια στιγμή|πιο συγκεκριμένα|η άλλη|το ίδιο|οι υπόλοιπ\w+|ακόμ[αη](?! και (?:αν|όταν))"
            r"|σε (?:αυτή|αυτό|αντίθεση με αυτ|τέτοι)\w*|επί(?:σης|πλέον)|μετά από αυτ\w+|εξ ίσου|όπως (?:είδαμε"
            "|αναφέρθηκε|προαναφέρθηκε|φαίνεται)|παράλληλα(?! με)|πρόκειται για|δεν είναι όμως|κάτι τέτοιο"
            r"|λόγω αυτ\w+|εξαιτίας αυτ\w+"
        ),
        shows=(
            "τούτο τούτη τούτα τέτοιος τέτοια τέτοιο τέτοιοι τέτοιες τέτοιου τέτοιων τέτοιους αυτός αυτή αυτό αυτοί "
            "αυτές αυτά αυτού αυτής αυτών αυτούς αυτόν αυτήν"
        ),
        shows_by="εκείν(?:ος|η|ο|οι|ες|α|ου|ης|ων|ους|ον|ην)(?! (?:που|οι οποί|ο οποί))",
        sends=(
            r"παραπάνω(?! από)|παρακάτω|ακόλουθ\w+|προαναφερ\w+|εν λόγω|ανωτέρω|κατωτέρω|προηγούμεν\w+ (?:ενότητ"
            r"|κεφάλαι|παράδειγμ|εικόν|σχήμα|πίνακ|σελίδ|βήμα|παράγραφ)\w*|επόμεν\w+ (?:ενότητ|κεφάλαι|παράδειγμ|εικόν"
            r"|σχήμα|πίνακ|σελίδ|παράγραφ)\w*|βλ|βλέπε|δείτε|ανατρέξτε|στο (?:σχήμα|διάγραμμα|παράρτημα)|στην εικόνα"
            r"|στον πίνακα|παρούσα\w*|παρόντος|παρόν|εξής$|ως εξής"
        ),
        again="επίσης ομοίως αμφότερα",
        told=(
            r"τ?(?:ο|α|ην|η|ων|ους|ις|ης|ον) ίδι[οαεων]\w*|(?:οι|τα|τους|τις|των|η|το|ο) (?:άλλ[οηαε]\w*|υπόλοιπ\w+)"
            r"|και (?:οι|τα|τις|τους) δύο|τελευταί(?:ος|α|ο|οι|ες) αυτ\w+"
        ),
    ),
    "Hungarian": Pointing(
        common=(
            "a van is az és hogy nem egy vagy meg ha mint csak kell lehet azt minden szerint volt ami amely ezek "
            "nincs volna még már"
        ),
        opens=(
            "viszont ugyanakkor tehát így emellett eközben ilyenkor ezután azután majd később végül ugyanis "
            "mindazonáltal mindemellett például illetve valamint és de vagy szintén ugyanez ugyanígy hasonlóképpen "
            "ellenben ellenkező következésképpen ennélfogva itt ott akkor különben amúgy ráadásul mindkettő mindkét "
            "ezenkívül ezenfelül egyrészt másrészt eszerint ekképpen ezért azonban továbbá ekkor"
        ),
        opens_with=(
            "ezért|e (?:mellett|célból|szerint|miatt|nélkül)|annak ellenére(?! hogy)|azaz|vagyis|más szóval"
            "|egyidejűleg|ezzel (?:szemben|együtt)|ez (?:az|azt|a)|az (?:ilyen|előbbi|utóbbi|előző|említett|alábbi"
            r"|ugyan)\w*|a (?:másik|második|fenti|következő|többi)\w*|ily(?:en)? módon|nem csak ez|ugyanez\w*"
            "|mint (?:láttuk|említettük|látható)"
        ),
        shows=(
            "ez ennek ezzel ebből erre erről ezeket ezeknek ezekkel ezekben ezekre ezekről ettől ehhez ezekhez "
            "ezektől ilyen ilyenek ilyet efféle emiatt ezáltal ezek ezt ezen ebben"
        ),
        shows_by=r"e (?=(?:fejezet|dokumentum|könyv|cikk|tanulmány|módszer|célra)\w*)",
        sends=(
            r"fent(?:i|iek|ebb|ieket|iekben)|lent(?:i|iek|ebb)|alább\w*|említett|(?:következő|előző) (?:példa|példá"
            r"|ábr|táblázat|fejezet|oldal|lépés|pont|kép)\w*|lásd|ld|az (?:ábrán|ábra|ábrából)|a (?:képen|táblázatban"
            r"|mellékletben)|jelen (?:dokumentum|fejezet|könyv|cikk|tanulmány|útmutató)\w*|a következőképpen"
        ),
        near="ő őt ők őket neki nekik vele velük róla róluk tőle benne",
        again="szintén mindkettő mindkét ugyanígy hasonlóan",
        told=r"ugyan(?:az|ez|olyan|ilyen|ezt|azt)\w*|az? (?:utóbbi|előbbi|másik|többi)\w*|mindkét|mindkettő",
    ),
    "Turkish": Pointing(
        common=(
            "ve bir için ile olarak olan de da daha en çok gibi olduğu kadar veya her sonra ise değil ne göre var olup"
        ),
        opens=(
            "şöyle öyle ama lakin yine yani dolayısıyla sonuçta nihayet üstelik ve veya diğer diğerleri aksi örneğin "
            "mesela burada orada ardından böylelikle oysaki halbuki nitekim çünkü zira ikincisi aynı ikisi öte "
            "sonrasında buradan buraya bazıları keza onlar ayrıca ancak fakat oysa böylece hepsi"
        ),
        opens_with=(
            "bu(?:na| yüzden| nedenle| sayede| durumda| şekilde| arada)? (?:göre|rağmen|karşın|ek)|öte yandan"
            "|diğer (?:yandan|taraftan|bir)|bununla birlikte|bunun (?:yanında|yanı|için|dışında|sonucunda|üzerine)"
            "|aynı (?:zamanda|şekilde)|başka bir deyişle|bir başka|ek olarak|ilk olarak|son olarak|daha sonra(?! ki)"
            "|aksi (?:halde|takdirde)|o (?:zaman|halde|nedenle)|her iki(?:si)?|söz konusu|yukarıda|kısacası"
            "|şu (?:şekilde|an)"
        ),
        shows=(
            "bunu buna bunda bundan bununla bunları bunlara bunlarda bunlardan bunların böyle böylesi şu bu bunlar "
            "bunun"
        ),
        sends=(
            "yukarı(?:da|daki|dan)|aşağı(?:da|daki|dan)|(?:sonraki|önceki|bir sonraki) (?:bölüm|şekil|tablo|örnek"
            r"|sayfa|adım|resim)\w*|söz konusu|adı geçen|(?:şekil|tablo|resim|grafik)(?:de|da|te) (?:\w+ )?(?:görül"
            r"|göster|veril|görün)\w*|bkz|bakınız|anılan|sözü edilen|işbu|belirtilen$|şekilde görüldüğü|şekildeki"
            "|tablodaki|resimde|resimdeki"
        ),
        near="o onun onu ona ondan onlar onların onları onlara kendisi kendisine",
        again="aynı ayrıca benzer ikisi",
        told=r"aynı (?:şekilde|zamanda|biçimde)|diğer(?:i|ini|leri\w*)|her iki(?:si)?|öteki\w*|ilki|ikincisi|sonuncusu",
    ),
}
