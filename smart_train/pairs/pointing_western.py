"""The words of Romance and Germanic languages that point out of a sentence.

English is told by `smart_train.pairs.leaning`, most of French and German too; what they lack is here."""

from __future__ import annotations

from smart_train.pairs.pointing_classes import Pointing

ENGLISH = Pointing(
    "the of and to in is for with on what how does are which from by when can be use a as at it or that i an has have"
    " had was were this these those we you they he she his her their my your its not no but so all one if do"
    " than more most any each only will would should may must been into about over who where there up out some other"
)
LANGUAGES = {
    "German": Pointing(
        "der die das und ist für mit von den dem ein eine wie wird werden auf nicht im zu sind oder bei zur zum auch"
        " als",
        "folglich mithin infolgedessen nichtsdestotrotz gleichwohl indes indessen sodann zuvor ansonsten andernfalls"
        " sonst vielmehr stattdessen hingegen dagegen demgegenüber derweil unterdessen währenddessen hiervon hierin"
        " hierauf hieraus hieran hierunter davon davor darin daraus darauf daran darunter dahinter darum deswegen"
        " dementsprechend ebenfalls gleichfalls gleichzeitig zugleich letztlich nun sodass",
        "auch(?! wenn)|das (?:ist|sind|wird|bedeutet|kann|hat|gilt|liegt|führt|macht|muss|geschieht|heißt|gleiche)|so"
        " (?:kann|können|wird|werden|ist|sind|lässt|lassen|entsteht|hat|haben|muss|müssen|wurden?|soll)|zum beispiel"
        "|z b|im gegensatz dazu|auf der anderen seite|im anschluss(?! an)|aus dem grund|kurz gesagt",
        "derartige derartiger derartiges derartigen derartigem",
        "jene[mnrs]?(?! (?:die|der|das|den|dem|deren|welche))|ein(?:e[mnrs]?)? solche[mnrs]?|solch eine?[mnrs]?",
        "(?:nachfolgend|nachstehend|vorstehend|obenstehend|untenstehend|vorgenannt|obengenannt|besagt)e?[mnrs]?"
        "|obige[mnrs]?|o g|folgende[mnrs]? (?:abbildung|beispiel|tabelle|abschnitt|schritt|befehl|formel|liste"
        r"|übersicht|grafik)\w*|(?:in|auf) der (?:abbildung|grafik|zeichnung|skizze)(?! de)|wie folgt|vgl|(?:rechts"
        "|links) (?:abgebildet|dargestellt|im bild)|vorliegende[mnrs]? (?:arbeit|dokument|bericht|anleitung|studie"
        r"|beitrag|text)\w*",
        "er ihn ihm",
        "beide beiden beider",
    ),
    "French": Pointing(
        "le les des et est pour dans une du que quel quelle sont avec sur aux au la l d un par en qui il ne pas a",
        "son sa ses aussitôt pourtant car également réciproquement inversement parallèlement auparavant autrement"
        " sinon désormais ou tel telle tels telles",
        r"à (?:cet effet|ce titre|l inverse|son tour|cette fin|noter)|au contraire|aussi(?! \w+ que)|au lieu de cela"
        "|par (?:conséquent|ailleurs|contre|la suite|là)|pour (?:cela|autant|ce faire)|en (?:revanche|outre|fait"
        "|conséquence|somme|résumé|retour|même temps)|de (?:ce fait|la sorte|là|fait)|de même(?! que)|d (?:autre part"
        "|un autre côté|ailleurs)|malgré (?:cela|tout)|sans (?:cela|quoi)|grâce à cela|voilà|dans un (?:premier"
        "|second|deuxième|dernier) temps|il en (?:va|est|résulte)|il s (?:agit|ensuit)|on (?:y|en)|après (?:quoi"
        "|cela)|d où|quant à (?:lui|elle|eux|elles)|c est",
        "cela ceci ledit ladite lesdits lesdites dudit susdit susdite",
        "une? tel(?:le)?(?! que)|de tel(?:le)?s(?! que)",
        "(?:exemple|figure|tableau|section|chapitre|paragraphe|commande|étape|page|partie)s? (?:suivant"
        "|précédent)e?s?|présente? (?:document|rapport|manuel|guide|chapitre|section|article|étude|mémoire|partie"
        "|thèse)|(?:sur|dans) (?:la|le) (?:figure|schéma|graphique|photo|illustration)(?! d)|comme (?:suit|indiqué"
        "|décrit|mentionné|expliqué|précisé)|(?:susmentionné|susvisé|précité|susnommé)e?s?|de la manière suivante|cf",
        "lui eux leur leurs",
        "réciproquement pareillement",
        "l un et l autre|tous deux|toutes deux|(?:du|au|des|aux) mêmes?(?! temps)|d autres$",
    ),
    "Spanish": Pointing(
        "el los las del y es para con una por qué cómo cuál se al más que en la un lo como su son está no a",
        "su sus entonces pues asimismo igualmente finalmente posteriormente seguidamente consecuentemente también ahí"
        " allí sino o e incluso cual cuyo cuya",
        "(?:después|luego)(?! de)|por (?:eso|ello|lo (?:tanto|cual)|tanto|consiguiente|el contrario|otr[ao] (?:parte"
        "|lado)|último|su parte)|sin embargo|no obstante|a (?:su vez|pesar de (?:ello|eso|todo)|partir de (?:aquí"
        "|ahí))|de (?:hecho|ahí|igual (?:modo|manera|forma)|lo contrario|lo anterior|tal (?:modo|manera|forma)"
        "|(?:modo|manera) que|la misma (?:manera|forma))|en (?:cambio|consecuencia|resumen|conclusión|definitiva"
        "|concreto|tal|ambos|ambas|dich[oa]s?)|al (?:mismo tiempo|contrario|igual que (?:antes|el anterior))|del"
        " mismo modo|esto es|más aún|(?:para|con|tras|ante|pese a|gracias a|debido a) ello|mientras tanto|lo (?:mismo"
        "|anterior|cual)|aquell?[oa]?s?(?! (?:que|en|de|con|cuy))|es (?:para|por|porque|el mismo|la misma|lo mismo)",
        "ello dicha dichas dichos susodicho susodicha",
        "dicho(?! (?:de|esto|lo))|tales(?! (?:como|que))|(?:un|una|el|la|de|en|a) tal(?! (?:como|que|vez))",
        "(?:arriba|abajo|antes|ya) (?:mencionad|indicad|citad|descrit|señalad|expuest)[oa]s?|siguientes? (?:figura"
        "|ejemplo|tabla|sección|apartado|imagen|gráfico|página|cuadro|diagrama|esquema|código|comando|expresión"
        "|ecuación|fórmula|manera|forma|capítulo)|(?:en|de) (?:la|el) (?:figura|ilustración|esquema|diagrama)(?! de)"
        "|ver (?:figura|tabla|sección|apartado|capítulo|anexo|página|más)|lo siguiente|véanse|(?:lo )?(?:muestra"
        "|indica) la (?:figura|tabla)|(?:apartado|capítulo|sección|ejemplo|figura|párrafo|paso)e?s? (?:anterior"
        "|siguiente|previ[oa])e?s?|(?:del?|el|la) presente (?:documento|manual|guía|informe|artículo|trabajo|capítulo"
        "|sección|estudio|tutorial|memoria)|(?:el|la|los|las|del) (?:mencionad|citad|referid|antedich)[oa]s?|todo"
        " (?:ello|lo anterior)",
        "él suyo suya suyos suyas",
        "ambos ambas igualmente",
        "uno u otro|una u otra|l[oa]s dem[aá]s|l[oa]s restantes|cada un[oa]$|(?:del|al) mism[oa]",
    ),
    "Portuguese": Pointing(
        "os da dos em uma não qual são ao pelo você mais o a e um do na no para com por que as se das como ou é pela",
        "seu sua seus suas igualmente finalmente posteriormente consequentemente também ali lá ou mas e pois nele"
        " nela neles nelas",
        "(?:depois|antes)(?! d[eoa])|por (?:isso|conseguinte|outro lado|sua vez|fim|exemplo)|no entanto|entretanto|ou"
        " seja|isto é|assim sendo|desta forma|dessa forma|deste modo|desse modo|com (?:isso|isto)|a partir d(?:isso"
        "|aí|e então)|(?:apesar|além|em vez|diante) d(?:isso|isto)|em (?:contrapartida|consequência|resumo|suma"
        "|seguida|outras palavras|tal|tais)|ao mesmo tempo|da mesma (?:forma|maneira)|do mesmo modo|pelo contrário|de"
        " fato|de (?:tal|igual) (?:forma|modo|maneira)|(?:d|n)?aquel[ea]s?(?!(?: as)? (?:que|em|de|com|cuj))"
        "|aquilo(?! que)|para (?:isso|isto|tal|tanto)|o mesmo|logo(?! (?:que|após))|caso (?:tal|isso)|daí",
        "isso isto disso disto nisso nisto desse desses dessa dessas nesse nesses nessa nessas dito ditos",
        "tais(?! (?:como|que))|(?:um|uma|o|a|de|em) tal(?! (?:como|que|vez))",
        "(?:acima|abaixo|anteriormente|já|supra) (?:mencionad|citad|descrit|referid|indicad)[oa]s?|(?:os?|as?|d[oa]s?"
        "|n[oa]s?) (?:referid|mencionad|citad|supracitad)[oa]s?|supracitad[oa]s?|seguintes? (?:figura|exemplo|tabela"
        "|seção|secção|imagem|gráfico|página|quadro|diagrama|esquema|código|comando|expressão|equação|fórmula|maneira"
        "|forma|capítulo)s?|(?:na|da) (?:figura|ilustração)(?! de)|no (?:diagrama|esquema)(?! de)|ver (?:figura"
        "|tabela|seção|secção|capítulo|anexo|página)|veja (?:a|o|também)|vide|(?:o|do) seguinte$|(?:capítulo|seção"
        "|secção|exemplo|figura|parágrafo|passo|item)s? (?:anterior|seguinte)e?s?|(?:o|do|neste|este|a|da) presente"
        " (?:documento|manual|guia|relatório|artigo|trabalho|capítulo|seção|estudo)|como segue",
        "eles elas dele dela deles delas",
        "ambos ambas igualmente",
        "os demais|as demais|(?:do|da|ao) mesm[oa]|os restantes|as restantes|cada um$",
    ),
    "Italian": Pointing(
        "il gli di che è della nel sono dei quale più alla degli per con un una del la e non si da le lo in i dal ai a",
        "anche dunque allora poi dopodiché successivamente analogamente ugualmente parimenti altrimenti viceversa"
        " piuttosto insomma eppure però ma e o oppure ovvero cioè ossia nonché altrettanto entrambi entrambe lì là"
        " costui costei colui",
        "d altr[oa] (?:parte|canto)|al contrario|in (?:tal|altre parole|altri termini|seguito(?! a)|effetti"
        "|particolare|sintesi|conclusione|conseguenza|realtà|compenso|cambio|entrambi)|di conseguenza|per (?:cui"
        "|contro|tale|questo|ciò|il resto|tutto ciò)|a tal(?:e)?|(?:nonostante|malgrado|oltre|grazie) (?:a )?(?:ciò"
        "|questo|tutto)|allo stesso (?:tempo|modo)|nello stesso (?:tempo|modo)|nel frattempo|vale a dire|lo stesso"
        "|fra l altro|tra l altro|a sua volta|da (?:ciò|qui|cui)|che(?! cos)|con ciò|si tratta|ne (?:segue|consegue"
        "|deriva|risulta)",
        "ciò costoro suddetto suddetta suddetti suddette",
        "quell[oaei]?(?! (?:che|di|del|dell|della|dei|degli|delle|in|con|per|relativ|cui))|quegli|(?:un|una|di|in|a"
        "|da|con) tal[ei]?(?! (?:che|da))|ciò(?! che)|ess[oaie](?! (?:stess))",
        "(?:sopra|sotto|precedentemente|anzi) ?(?:citat|dett|menzionat|descritt|indicat|elencat)[oaei]|predett[oaei]"
        "|seguent[ei] (?:figura|esempi|tabella|sezion|immagin|grafic|pagin|quadr|schem|codic|comand|espression"
        r"|equazion|formul|mod|capitol|paragraf)\w*|(?:in|nella|dalla|della) figura(?! d)|nello schema(?! d)|(?:vedi"
        r"|vedere|si veda|cfr|v) (?:la |il |fig|tab|cap|par|sez|pag)\w*|(?:capitolo|paragrafo|sezione|esempio|figura"
        "|passo|punto) (?:precedente|seguente|successiv[oa])|(?:il|del|nel|la|della|nella) presente (?:documento"
        "|manuale|guida|relazione|articolo|lavoro|capitolo|sezione|studio|regolamento|bando)|come segue|quanto segue"
        "|qui di seguito",
        "egli lui lei essa esso essi esse suo sua suoi sue loro",
        "altresì entrambi entrambe ugualmente",
        r"\w*le altre|\w*gli altri|quest ultim[oaie]|l un[oa] o l altr[oa]|i restanti|le restanti|di cui sopra"
        "|medesim[oaie]|(?:dello|allo|nello|della|alla|nella|degli|agli) stess[oaie]",
    ),
    "Catalan": Pointing(
        "amb els les del i és per una dels són al pel més aquesta o es el la que en un no perquè hi pels l d com a",
        "tanmateix però doncs llavors aleshores així també tampoc finalment igualment ara i o sinó allà tals",
        "(?:després|abans)(?! d)|a més(?! (?:de|a))|per (?:tant|això|exemple|altra banda|contra|consegüent)|en canvi"
        "|és a dir|d altra banda|al mateix temps|de la mateixa manera|així doncs|malgrat (?:tot|això)|en"
        " (?:conseqüència|resum|aquest|concret)|aquell[ae]?s?(?! (?:que|de|en))|no obstant|mentrestant|el mateix",
        "aquest aquesta aquests aquestes això esmentat esmentada esmentats esmentades",
        "allò(?! que)|dit[as]?(?= )",
        "següents? (?:figura|exemple|taula|secció|imatge|apartat)s?|(?:apartat|capítol|secció|exemple|figura)"
        " (?:anterior|següent)|a continuació|vegeu|vegis|(?:més )?(?:amunt|avall)|a la figura|present (?:document"
        "|manual|treball)",
        "ell ells seu seva seus seves",
        "també ambdós ambdues igualment",
        "els altres|les altres|la resta|el mateix|la mateixa|els dos|les dues",
    ),
    "Romanian": Pointing(
        "și şi este în cu pe sau care sunt din pentru nu mai prin ale să fi fost într acest într a",
        "totodată apoi deci dar iar sau și atunci aici acolo ulterior aşadar așadar altfel dimpotrivă oricum",
        "de (?:asemenea|aceea|exemplu|altfel|fapt)|în (?:plus|schimb|consecință|concluzie|acest|această|cele din urmă"
        "|mod similar)|ca (?:urmare(?! a)|atare)|pe de altă parte|prin urmare|cu toate acestea|după (?:aceea|care)|cu"
        " alte cuvinte|mai (?:mult|apoi|târziu)|în același timp|din (?:acest|această) |la fel|spre exemplu|pentru"
        " aceasta",
        "acestei acestui acestor aceștia acestuia acesteia acestora aceleași aceeași același aceluiași acelorași"
        " asemenea",
        "ace(?:l|a|i|le|lui|lei|lor)(?! (?:care|ce))|astfel de|un atare",
        r"de mai (?:sus|jos)|mai (?:sus|jos) menționat\w*|menționat[ăei]* (?:mai sus|anterior)|următo\w+ (?:figur"
        r"|exempl|tabel|secțiun|imagin|capitol)\w*|(?:în|din) figura|a se vedea|vezi|(?:prezentul|prezenta|prezentului"
        r"|prezentei) \w+|(?:capitolul|secțiunea|exemplul) (?:anterior|următo|precedent)\w*|sus ?menționat\w*|după cum"
        " urmează",
        "el ea ei ele său sa săi sale lor acestuia acesteia acestora",
        "asemenea și ambele ambii amândoi",
        "celelalte|ceilalți|cealaltă|celălalt|aceleași|la fel|cele două|cei doi",
    ),
    "Dutch": Pointing(
        "het een van en is voor met wat hoe niet zijn op aan welke wordt de dat die te in of bij ook naar worden door"
        " om",
        "bovendien toch dan vervolgens tevens verder eveneens evenzo desondanks desalniettemin niettemin immers"
        " namelijk kortom overigens maar want daarentegen ook anders zodoende aldus tenslotte uiteindelijk"
        " ondertussen tegelijkertijd daarna waarna waardoor waarbij waarmee evenmin vandaar daar en of hun haar",
        "zo(?! (?:snel|veel|nodig|lang|goed|mogelijk|groot|min|vroeg|dicht|weinig|kort|laag|hoog))|ten slotte|tot"
        " slot|(?:dat|die) (?:is|was|kan|kunnen|wordt|worden|betekent|geldt|moet|gebeurt|heeft|zou|zal|komt|maakt"
        "|zijn|doe)|(?:bij|in|met|op|voor|volgens) (?:deze|die|dat)|om die reden|aan de andere kant|op (?:deze|die"
        "|dezelfde) (?:manier|wijze)|met andere woorden|dat wil zeggen|bijvoorbeeld|in plaats daarvan|als gevolg"
        " hiervan|in dat geval|om (?:dit|dat) te|niet alleen dat",
        "hieronder hierboven dergelijke dergelijk zulke",
        "(?<!en )zulk een|zo n",
        "(?:voornoemd|bovengenoemd|bovenstaand|onderstaand|eerstgenoemd|laatstgenoemd|desbetreffend|voorgaand"
        "|bovenvermeld|genoemd)e|(?:volgende|vorige) (?:afbeelding|figuur|voorbeeld|tabel|hoofdstuk|paragraaf|pagina"
        r"|stap|alinea)\w*|(?:als volgt|zoals (?:hier|hierboven|eerder|gezegd|vermeld|beschreven))|(?:in|op) de"
        " (?:afbeelding|figuur|tekening|grafiek)(?! van)|zie (?:ook|afbeelding|figuur|hoofdstuk|paragraaf|pagina"
        "|tabel|bijlage|hier|de|het)",
        "hij ze zij hem hen hierbij hiermee hiervan hiervoor hierop hierin hieruit hierna hiertoe hierover hieraan"
        " hiertegen daarbij daardoor daarmee daarvan daarvoor daarop daarin daaruit daartoe daarover daaraan"
        " daarnaast",
        "eveneens evenals tevens beide",
        r"beiden|de overige|de andere|de rest|laatste twee|^(?:\w+ )?andere(?! \w+ dan)",
    ),
    "Swedish": Pointing(
        "och att är av en ett som för med på inte till det den har kan om från vid eller de i ska skall ej var nedan"
        " ovan",
        "också dock ändå alltså således däremot nämligen följaktligen vidare slutligen samtidigt likaså dessförinnan"
        " härefter därmed därvid därigenom därtill härigenom annars men och eller ty därpå båda dels tvärtom",
        "även(?! om)|sedan (?:kan|ska|skall|är|får|har|blir|måste)|så (?:kan|är|blir|ska|skall|har|gör|småningom)"
        "|till exempel|t ex|det vill säga|d v s|dvs|å andra sidan|på (?:så|detta|samma) sätt|med andra ord|i stället"
        "|till sist|som (?:nämnts|framgår|sagt)|av (?:detta|samma|den) (?:skäl|anledning)|i så fall|i (?:detta|sådana"
        "|dessa)|trots (?:det|detta)|utöver (?:det|detta)|förutom (?:det|detta)|efter (?:det|detta)|det (?:betyder"
        "|innebär|beror|gör att)|på grund av (?:det|detta)",
        "denne dessa dylik dylika dylikt densamma detsamma desamma härav härom härtill häri därav därom",
        r"sådan[at]?(?!(?: \w+){0,5} som)|(?<!måste )(?<!kan )(?<!ska )(?<!skall )detta|den här|det här|de här|(?<!i"
        " )så(?:som)? ovan",
        "nedan|ovan|(?:ovan|tidigare|förut) ?nämnd[ae]?|nämnda|(?:ovan|nedan)stående|sagda|ifrågavarande|föregående"
        "|efterföljande|(?:först|sist)nämnd[ae]?|enligt följande|(?:följande|nästa|förra) (?:figur|exempel|tabell"
        r"|avsnitt|bild|kapitel|sida|steg)\w*|(?:i|av|på) (?:figuren|bilden|tabellen|diagrammet)|se (?:även|figur"
        "|tabell|avsnitt|kapitel|sidan|bilaga|också|nedan)",
        "han hon hans hennes honom henne dess deras dem",
        "också även likaså båda bägge vidare",
        "den andra(?! (?:januari|februari|mars|april))|de andra|de övriga|samma(?! (?:som|dag|tid|gång))|den förra"
        "|den senare|^övriga",
    ),
    "Danish": Pointing(
        "og at er af en et som for med på ikke til det den har kan om fra ved eller de i skal der bliver var nedenfor"
        " ovenfor",
        "også dog altså således endvidere derudover herudover derimod ligeledes endelig dernæst derpå men og eller"
        " ellers samtidig nemlig følgelig alligevel herefter herunder senere begge",
        "for eksempel|f eks|på den anden side|på (?:den|denne|samme) måde|det vil sige|d v s|dvs|med andre ord|i"
        " stedet(?! for)|til sidst|som (?:nævnt|sagt|det fremgår)|af (?:samme|den|denne) grund|i så fald|på trods af"
        " (?:det|dette)|ud over (?:det|dette)|ved siden af|så (?:kan|er|bliver|skal|har)|det (?:betyder|skyldes"
        "|medfører)|i det hele",
        "denne disse derved heraf deraf herfor heri deri herfra hertil dertil",
        r"(?<!må )(?<!kan )(?<!skal )(?<!bør )dette|sådan(?:t|ne)?(?! at)(?!(?: \w+){0,5} (?:som|der))",
        "nedenfor|ovenfor|(?:oven|neden)stående|(?:oven|før|sidst|først|omtalt)?nævnte|pågældende|foregående"
        "|efterfølgende|som følger|(?:følgende|næste|forrige) (?:figur|eksempel|tabel|afsnit|billede|kapitel|side"
        r"|trin)\w*|(?:i|på|af) (?:figuren|billedet|tabellen|diagrammet)|se (?:også|figur|tabel|afsnit|kapitel|side"
        "|bilag)",
        "han hun hans hendes ham hende dens dets deres dem",
        "også ligeledes begge endvidere",
        "den anden|det andet|de andre|de øvrige|samme(?! (?:som|dag|tid))|sidstnævnte|førstnævnte|de to",
    ),
    "Norwegian": Pointing(
        "og at er av en et som for med på ikke til det den har kan om fra ved eller de i skal der blir var nedenfor"
        " ovenfor å",
        "også dessuten derimot videre likevel altså således ellers men og eller samtidig nemlig følgelig senere begge"
        " heretter herunder endelig",
        "for eksempel|f eks|på den (?:annen|andre) side|på (?:den|denne|samme) måten?|det vil si|dvs|med andre ord|i"
        " stedet(?! for)|til slutt|som (?:nevnt|sagt)|av (?:samme|den|denne) grunn|i så fall|i tillegg(?! til)|etter"
        " (?:det|dette)|til tross for (?:det|dette)|så (?:kan|er|blir|skal|har)|slik (?:kan|er|blir|får)|det (?:betyr"
        "|skyldes|innebærer|fører)|derfor",
        "denne disse derved herav derav",
        "(?<!må )(?<!kan )(?<!skal )(?<!bør )dette|slike?t?(?! (?:at|som))",
        "nedenfor|ovenfor|(?:oven|neden)(?:for )?stående|(?:oven|før|sist|først)?nevnte|foregående|påfølgende|som"
        r" følger|(?:følgende|neste|forrige) (?:figur|eksempel|tabell|avsnitt|bilde|kapittel|side|trinn)\w*|(?:i|på"
        "|av) (?:figuren|bildet|tabellen|diagrammet)|se (?:også|figur|tabell|avsnitt|kapittel|side|vedlegg)",
        "han hun hans hennes ham henne dens dets deres dem",
        "også likeledes begge videre",
        "den andre|det andre|de andre|de øvrige|samme(?! (?:som|dag|tid))|sistnevnte|førstnevnte|de to",
    ),
}
