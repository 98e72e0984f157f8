"""The words of Romance languages that point out of a sentence."""

from __future__ import annotations

from smart_train.pairs.pointing.entry import Pointing

LANGUAGES = {
    "French": Pointing(
        common=(
            "le les des et est pour dans une du que quel quelle sont avec sur aux au la l d un par en qui il ne pas a "
            "de"
        ),
        opens=(
            "son sa ses aussitôt pourtant car également réciproquement inversement parallèlement auparavant autrement "
            "sinon désormais ou tel telle tels telles ainsi celui celle donc elle elles enfin ensuite ils leur leurs "
            "voici voir et mais celles cependant certes ceux maintenant lequel laquelle lesquels lesquelles notez "
            "notons rappelons remarquons toutefois néanmoins ce premièrement deuxièmement"
        ),
        opens_with=(
            r"à (?:cet effet|ce titre|l inverse|son tour|cette fin|noter)|au contraire|aussi(?! \w+ que)"
            "|au lieu de cela|par (?:conséquent|ailleurs|contre|la suite|là)|pour (?:cela|autant|ce faire)"
            "|en (?:revanche|outre|fait|conséquence|somme|résumé|retour|même temps)|de (?:ce fait|la sorte|là|fait)"
            "|de même(?! que)|d (?:autre part|un autre côté|ailleurs)|malgré (?:cela|tout)|sans (?:cela|quoi)"
            "|grâce à cela|voilà|dans un (?:premier|second|deuxième|dernier) temps|il en (?:va|est|résulte)"
            "|il s (?:agit|ensuit)|on (?:y|en)|après (?:quoi|cela)|d où|quant à (?:lui|elle|eux|elles)|c est|dès lors"
            "|après tout (?:ce n|c|il|ils|elles?|on|nous|vous|cela|une?|la|les|le(?! (?:monde|reste)))"
            "|dans notre (?:cas|exemple)|il suffit|vien(?:t|nent) (?:ensuite|puis)|y compris|inclus|comme (?:vous|nous"
            r"|on) \w+|(?:dans|avec|pour|par|à|de) ce|par exemple|de plus|autrement dit|en (?:effet|d autres termes)"
            "|comme (?:vu|dit)"
        ),
        shows="cela ceci ledit ladite lesdits lesdites dudit susdit susdite cet cette ces",
        shows_by="une? tel(?:le)?(?! que)|de tel(?:le)?s(?! que)|ce(?! (?:qu|dont|n est|sont))",
        sends=(
            "(?:exemple|figure|tableau|section|chapitre|paragraphe|commande|étape|page|partie)s? (?:suivant"
            "|précédent)e?s?|présente? (?:document|rapport|manuel|guide|chapitre|section|article|étude|mémoire|partie"
            "|thèse)|(?:sur|dans) (?:la|le) (?:figure|schéma|graphique|photo|illustration)(?! d)|comme (?:suit|indiqué"
            "|décrit|mentionné|expliqué|précisé)|(?:susmentionné|susvisé|précité|susnommé)e?s?|de la manière suivante"
            "|cf"
        ),
        near="lui eux leur leurs elle elles ils",
        again="réciproquement pareillement",
        told="l un et l autre|tous deux|toutes deux|(?:du|au|des|aux) mêmes?(?! temps)|d autres$",
    ),
    "Spanish": Pointing(
        common=(
            "el los las del y es para con una por qué cómo cuál se al más que en la un lo como su son está no a debe de"
        ),
        opens=(
            "su sus entonces pues asimismo igualmente finalmente posteriormente seguidamente consecuentemente también "
            "ahí allí sino o e incluso cual cuyo cuya además así aquí ellos este véase pero y ahora otra otras otro "
            "otros tales tampoco ellas ella incluyendo"
        ),
        opens_with=(
            "(?:después|luego)(?! de)|por (?:eso|ello|lo (?:tanto|cual)|tanto|consiguiente|el contrario"
            "|otr[ao] (?:parte|lado)|último|su parte)|sin embargo|no obstante|a (?:su vez|pesar de (?:ello|eso|todo)"
            "|partir de (?:aquí|ahí))|de (?:hecho|ahí|igual (?:modo|manera|forma)|lo contrario|lo anterior|tal (?:modo"
            "|manera|forma)|(?:modo|manera) que|la misma (?:manera|forma))|en (?:cambio|consecuencia|resumen"
            "|conclusión|definitiva|concreto|tal|ambos|ambas|dich[oa]s?)|al (?:mismo tiempo|contrario"
            "|igual que (?:antes|el anterior))|del mismo modo|esto es|más aún|(?:para|con|tras|ante|pese a|gracias a"
            "|debido a) ello|mientras tanto|lo (?:mismo|anterior|cual)|aquell?[oa]?s?(?! (?:que|en|de|con|cuy))"
            "|es (?:para|por|porque|el mismo|la misma|lo mismo)|al fin y al cabo|en nuestro (?:caso|ejemplo)"
            r"|viene (?:luego|después)|o sea|basta \w+r|como (?:sabe|vimos|hemos)\w*|(?:en|con|para|por|a|de) este"
            "|por ejemplo|es decir|en otras palabras|como se (?:ha|ve)"
        ),
        shows="ello dicha dichas dichos susodicho susodicha esta estas estos esto ese esa eso esos esas",
        shows_by=(
            "dicho(?! (?:de|esto|lo))|tales(?! (?:como|que))|(?:un|una|el|la|de|en|a) tal(?! (?:como|que|vez))"
            # Not the east.
            "|(?<!al )(?<!el )(?<!hacia )este(?! (?:del?|y|u oeste|país|año|siglo))"
            r"|aquel(?:l[ao]s?)?(?! (?:de|en|con|cuy))(?! (?:\w+ ){0,3}que\b)"
        ),
        sends=(
            "(?:arriba|abajo|antes|ya) (?:mencionad|indicad|citad|descrit|señalad|expuest)[oa]s?|siguientes? (?:figura"
            "|ejemplo|tabla|sección|apartado|imagen|gráfico|página|cuadro|diagrama|esquema|código|comando|expresión"
            "|ecuación|fórmula|manera|forma|capítulo)|(?:en|de) (?:la|el) (?:figura|ilustración|esquema"
            "|diagrama)(?! de)|ver (?:figura|tabla|sección|apartado|capítulo|anexo|página|más)|lo siguiente|véanse"
            "|(?:lo )?(?:muestra|indica) la (?:figura|tabla)|(?:apartado|capítulo|sección|ejemplo|figura|párrafo"
            "|paso)e?s? (?:anterior|siguiente|previ[oa])e?s?|(?:del?|el|la) presente (?:documento|manual|guía|informe"
            "|artículo|trabajo|capítulo|sección|estudio|tutorial|memoria)|(?:el|la|los|las|del) (?:mencionad|citad"
            "|referid|antedich)[oa]s?|todo (?:ello|lo anterior)|dicho lo anterior"
        ),
        near="él suyo suya suyos suyas ella ellas ellos",
        again="ambos ambas igualmente",
        told="uno u otro|una u otra|l[oa]s dem[aá]s|l[oa]s restantes|cada un[oa]$|(?:del|al) mism[oa]",
    ),
    "Portuguese": Pointing(
        common=(
            "os da dos em uma não qual são ao pelo você mais o a e um do na no para com por que as se das como ou é "
            "pela de seguinte foi"
        ),
        opens=(
            "seu sua seus suas igualmente finalmente posteriormente consequentemente também ali lá ou mas e pois nele "
            "nela neles nelas além assim aqui ela ele outra outras outro outros portanto "
            "porém tais"
        ),
        opens_with=(
            "(?:depois|antes)(?! d[eoa])|por (?:isso|conseguinte|outro lado|sua vez|fim|exemplo)|no entanto|entretanto"
            "|ou seja|isto é|assim sendo|desta forma|dessa forma|deste modo|desse modo|com (?:isso|isto)"
            "|a partir d(?:isso|aí|e então)|(?:apesar|além|em vez|diante) d(?:isso|isto)|em (?:contrapartida"
            "|consequência|resumo|suma|seguida|outras palavras|tal|tais)|ao mesmo tempo|da mesma (?:forma|maneira)"
            "|do mesmo modo|pelo contrário|de fato|de (?:tal|igual) (?:forma|modo|maneira)|(?:d"
            "|n)?aquel[ea]s?(?!(?: as)? (?:que|em|de|com|cuj))|aquilo(?! que)|para (?:isso|isto|tal|tanto)|o mesmo"
            r"|logo(?! (?:que|após))|caso (?:tal|isso)|daí|basta \w+r|como vimos|(?:para|por|a|de) este"
        ),
        shows=(
            "isso isto disso disto nisso nisto esse esses essa essas este desse desses dessa dessas nesse nesses "
            "nessa nessas dito ditos esta estas estes esto deste desta destes destas neste nesta nestes nestas"
        ),
        shows_by=(
            "tais(?! (?:como|que))|(?:um|uma|o|a|de|em) tal(?! (?:como|que|vez))"
            "|[dn]?aquel[ea]s?(?!(?: as)? (?:que|em|de|com|cuj))"
        ),
        sends=(
            "(?:acima|abaixo|anteriormente|já|supra) (?:mencionad|citad|descrit|referid|indicad)[oa]s?|(?:os?|as?"
            "|d[oa]s?|n[oa]s?) (?:referid|mencionad|citad|supracitad)[oa]s?|supracitad[oa]s?|seguintes? (?:figura"
            "|exemplo|tabela|seção|secção|imagem|gráfico|página|quadro|diagrama|esquema|código|comando|expressão"
            "|equação|fórmula|maneira|forma|capítulo)s?|(?:na|da) (?:figura|ilustração)(?! de)|no (?:diagrama"
            "|esquema)(?! de)|ver (?:figura|tabela|seção|secção|capítulo|anexo|página)|veja (?:a|o|também)|vide|(?:o"
            "|do) seguinte$|(?:capítulo|seção|secção|exemplo|figura|parágrafo|passo|item)s? (?:anterior|seguinte)e?s?"
            "|(?:o|do|neste|este|a|da) presente (?:documento|manual|guia|relatório|artigo|trabalho|capítulo|seção"
            "|estudo)|como segue"
        ),
        near="eles elas dele dela deles delas",
        again="ambos ambas igualmente",
        told="os demais|as demais|(?:do|da|ao) mesm[oa]|os restantes|as restantes|cada um$",
    ),
    "Italian": Pointing(
        common=(
            "il gli di che è della nel sono dei quale più alla degli per con un una del la e non si da le lo in i dal "
            "ai a"
        ),
        opens=(
            "anche dunque allora poi dopodiché successivamente analogamente ugualmente parimenti altrimenti viceversa "
            "piuttosto insomma eppure però ma e o oppure ovvero cioè ossia nonché altrettanto entrambi entrambe lì là "
            "costui costei colui inoltre ecco infatti pertanto quello quindi così esso essa altre altri essi esse "
            "perciò tale tali tuttavia ulteriori innanzitutto infine"
        ),
        opens_with=(
            "d altr[oa] (?:parte|canto)|al contrario|in (?:tal|altre parole|altri termini|seguito(?! a)|effetti"
            "|particolare|sintesi|conclusione|conseguenza|realtà|compenso|cambio|entrambi)|di conseguenza|per (?:cui"
            "|contro|tale|questo|ciò|il resto|tutto ciò)|a tal(?:e)?|(?:nonostante|malgrado|oltre"
            "|grazie) (?:a )?(?:ciò|questo|tutto)|allo stesso (?:tempo|modo)|nello stesso (?:tempo|modo)|nel frattempo"
            "|vale a dire|lo stesso|fra l altro|tra l altro|a sua volta|da (?:ciò|qui|cui)|che(?! cos)|con ciò"
            "|si tratta|ne (?:segue|consegue|deriva|risulta)|dopotutto|nel nostro (?:caso|esempio)|viene (?:poi|dopo)"
            r"|inclus[oaie]|basta \w+r|per esempio|come (?:visto|detto)"
        ),
        shows="ciò costoro suddetto suddetta suddetti suddette questo questa questi queste quest",
        shows_by=(
            "quell[oaei]?(?! (?:che|di|del|dell|della|dei|degli|delle|in|con|per|relativ|cui))|quegli|(?:un|una|di|in"
            "|a|da|con) tal[ei]?(?! (?:che|da))|ciò(?! che)|ess[oaie](?! (?:stess))"
        ),
        sends=(
            "(?:sopra|sotto|precedentemente|anzi) ?(?:citat|dett|menzionat|descritt|indicat|elencat)[oaei]"
            "|predett[oaei]|seguent[ei] (?:figura|esempi|tabella|sezion|immagin|grafic|pagin|quadr|schem|codic|comand"
            r"|espression|equazion|formul|mod|capitol|paragraf)\w*|(?:in|nella|dalla|della) figura(?! d)"
            r"|nello schema(?! d)|(?:vedi|vedere|si veda|cfr|v) (?:la |il |fig|tab|cap|par|sez|pag)\w*|(?:capitolo"
            "|paragrafo|sezione|esempio|figura|passo|punto) (?:precedente|seguente|successiv[oa])|(?:il|del|nel|la"
            "|della|nella) presente (?:documento|manuale|guida|relazione|articolo|lavoro|capitolo|sezione|studio"
            "|regolamento|bando)|come segue|quanto segue|qui di seguito"
        ),
        near="egli lui lei essa esso essi esse suo sua suoi sue loro ella",
        again="altresì entrambi entrambe ugualmente",
        told=(
            r"\w*le altre|\w*gli altri|quest ultim[oaie]|l un[oa] o l altr[oa]|i restanti|le restanti|di cui sopra"
            "|medesim[oaie]|(?:dello|allo|nello|della|alla|nella|degli|agli) stess[oaie]"
        ),
    ),
    "Catalan": Pointing(
        common=(
            "amb els les del i és per una dels són al pel més aquesta o es el la que en un no perquè hi pels l d com "
            "a de"
        ),
        opens=(
            "tanmateix però doncs llavors aleshores així també tampoc finalment igualment ara i o sinó allà tals aquí"
        ),
        opens_with=(
            "(?:després|abans)(?! d)|a més(?! (?:de|a))|per (?:tant|això|exemple|altra banda|contra|consegüent)"
            "|en canvi|és a dir|d altra banda|al mateix temps|de la mateixa manera|així doncs|malgrat (?:tot|això)"
            "|en (?:conseqüència|resum|aquest|concret)|aquell[ae]?s?(?! (?:que|de|en))|no obstant|mentrestant"
            "|el mateix"
        ),
        shows="aquest aquesta aquests aquestes això esmentat esmentada esmentats esmentades",
        shows_by="allò(?! que)|dit[as]?(?= )|aquell(?:a|s|es)?(?! (?:que|de|en))",
        sends=(
            "següents? (?:figura|exemple|taula|secció|imatge|apartat)s?|(?:apartat|capítol|secció|exemple"
            "|figura) (?:anterior|següent)|a continuació|vegeu|vegis|(?:més )?(?:amunt|avall)|a la figura"
            "|present (?:document|manual|treball)"
        ),
        near="ell ells seu seva seus seves ella elles",
        again="també ambdós ambdues igualment",
        told="els altres|les altres|la resta|el mateix|la mateixa|els dos|les dues",
    ),
    "Romanian": Pointing(
        common="și şi este în cu pe sau care sunt din pentru nu mai prin ale să fi fost într acest într a de",
        opens=(
            "totodată apoi deci dar iar sau și atunci aici acolo ulterior aşadar așadar altfel dimpotrivă oricum "
            "acesta aceasta astfel însă totuși"
        ),
        opens_with=(
            "de (?:asemenea|aceea|exemplu|altfel|fapt)|în (?:plus|schimb|consecință|concluzie|acest|această"
            "|cele din urmă|mod similar)|ca (?:urmare(?! a)|atare)|pe de altă parte|prin urmare|cu toate acestea"
            "|după (?:aceea|care)|cu alte cuvinte|mai (?:mult|apoi|târziu)|în același timp|din (?:acest|această) "
            "|la fel|spre exemplu|pentru aceasta"
        ),
        shows=(
            "acestei acestui acestor aceștia acestuia acesteia acestora aceleași aceeași același aceluiași acelorași "
            "asemenea acest această aceste acestea"
        ),
        shows_by="ace(?:l|a|i|le|lui|lei|lor)(?! (?:care|ce))|astfel de|un atare",
        sends=(
            r"de mai (?:sus|jos)|mai (?:sus|jos) menționat\w*|menționat[ăei]* (?:mai sus|anterior)|următo\w+ (?:figur"
            r"|exempl|tabel|secțiun|imagin|capitol)\w*|(?:în|din) figura|a se vedea|vezi|(?:prezentul|prezenta"
            r"|prezentului|prezentei) \w+|(?:capitolul|secțiunea|exemplul) (?:anterior|următo|precedent)\w*"
            r"|sus ?menționat\w*|după cum urmează"
        ),
        near="el ea ei ele său sa săi sale lor acestuia acesteia acestora",
        again="asemenea și ambele ambii amândoi",
        told="celelalte|ceilalți|cealaltă|celălalt|aceleași|la fel|cele două|cei doi",
    ),
}
