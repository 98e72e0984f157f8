"""The words of Germanic languages that point out of a sentence. Those of English are in
`smart_train.pairs.leaning`, since they count in a sentence of any language; here are those that tell English."""

from __future__ import annotations

from smart_train.pairs.pointing.entry import Pointing

LANGUAGES = {
    "English": Pointing(
        common=(
            "the of and to in is for with on what how does are which from by when can be use a as at it or that i an "
            "has have had was were this these those we you they he she his her their my your its not no but so all "
            "one if do than more most any each only will would should may must been into about over who where there "
            "up out some other"
        ),
    ),
    "German": Pointing(
        common=(
            "der die das und ist für mit von den dem ein eine wie wird werden auf nicht im zu sind oder bei zur zum "
            "auch als in"
        ),
        opens=(
            "folglich mithin infolgedessen nichtsdestotrotz gleichwohl indes indessen sodann zuvor ansonsten "
            "andernfalls sonst vielmehr stattdessen hingegen dagegen demgegenüber derweil unterdessen währenddessen "
            "hiervon hierin hierauf hieraus hieran hierunter davon davor darin daraus darauf daran darunter dahinter "
            "darum deswegen dementsprechend ebenfalls gleichfalls gleichzeitig zugleich letztlich nun sodass weitere "
            "weiterer weiteres zusätzliche ihnen ihm ihn erstere ersterer ersteres letztere letzterer letzteres "
            "außerdem dabei dadurch daher damit danach dann darüber dazu demnach denn deshalb dessen dort er und aber "
            "oder hier hierbei hierdurch hierfür hierzu jedoch seine siehe solche somit allerdings beide beides "
            "dieselbe dieselben ebenso jene jener jenes doch zudem ferner dennoch weiterhin nämlich erstens zweitens "
            "drittens schließlich einschließlich"
        ),
        opens_with=(
            "auch(?! wenn)|das (?:ist|sind|wird|bedeutet|kann|hat|gilt|liegt|führt|macht|muss|geschieht|heißt|gleiche)"
            "|so (?:kann|können|wird|werden|ist|sind|lässt|lassen|entsteht|hat|haben|muss|müssen|wurden?|soll)"
            "|zum beispiel|z b|im gegensatz dazu|auf der anderen seite|im anschluss(?! an)|aus dem grund|kurz gesagt"
            r"|mit solche\w+|in unserem (?:beispiel|fall)|wie (?:sie|wir|du) (?:\w+ )?(?:wissen|sehen|sahen)"
            "|wie (?:man|oben|bereits|schon|gezeigt|erwähnt)|es genügt|d h|im folgenden|mit anderen worten"
            "|unter anderem|(?:aus|bei|durch|für|in|mit|nach|von|wegen) (?:dessen|deren|denen)"
        ),
        shows="derartige derartiger derartiges derartigen derartigem dies diese diesem diesen dieser dieses",
        shows_by=(
            "jene[mnrs]?(?! (?:die|der|das|den|dem|deren|welche))|ein(?:e[mnrs]?)? solche[mnrs]?|solch eine?[mnrs]?"
        ),
        sends=(
            "(?:nachfolgend|nachstehend|vorstehend|obenstehend|untenstehend|vorgenannt|obengenannt|besagt)e?[mnrs]?"
            "|obige[mnrs]?|o g|folgende[mnrs]? (?:abbildung|beispiel|tabelle|abschnitt|schritt|befehl|formel|liste"
            r"|übersicht|grafik)\w*|(?:in|auf) der (?:abbildung|grafik|zeichnung|skizze)(?! de)|wie folgt|vgl"
            "|(?:rechts|links) (?:abgebildet|dargestellt|im bild)|vorliegende[mnrs]? (?:arbeit|dokument|bericht"
            r"|anleitung|studie|beitrag|text)\w*"
        ),
        near="er ihn ihm",
        again="beide beiden beider",
    ),
    "Dutch": Pointing(
        common=(
            "het een van en is voor met wat hoe niet zijn op aan welke wordt de dat die te in of bij ook naar worden "
            "door om je moet"
        ),
        opens=(
            "bovendien toch dan vervolgens tevens verder eveneens evenzo desondanks desalniettemin niettemin immers "
            "namelijk kortom overigens maar want daarentegen ook anders zodoende aldus tenslotte uiteindelijk "
            "ondertussen tegelijkertijd daarna waarna waardoor waarbij waarmee evenmin vandaar daar en of hun haar "
            "daarom dit dus echter hierdoor hij zij hier"
        ),
        opens_with=(
            "zo(?! (?:snel|veel|nodig|lang|goed|mogelijk|groot|min|vroeg|dicht|weinig|kort|laag|hoog))|ten slotte"
            "|tot slot|(?:dat|die) (?:is|was|kan|kunnen|wordt|worden|betekent|geldt|moet|gebeurt|heeft|zou|zal|komt"
            "|maakt|zijn|doe)|(?:bij|in|met|op|voor|volgens) (?:deze|die|dat)|om die reden|aan de andere kant"
            "|op (?:deze|die|dezelfde) (?:manier|wijze)|met andere woorden|dat wil zeggen|bijvoorbeeld"
            "|in plaats daarvan|als gevolg hiervan|in dat geval|om (?:dit|dat) te|niet alleen dat"
        ),
        shows="hieronder hierboven dergelijke dergelijk zulke deze dit",
        shows_by="(?<!en )zulk een|zo n",
        sends=(
            "(?:voornoemd|bovengenoemd|bovenstaand|onderstaand|eerstgenoemd|laatstgenoemd|desbetreffend|voorgaand"
            "|bovenvermeld|genoemd)e|(?:volgende|vorige) (?:afbeelding|figuur|voorbeeld|tabel|hoofdstuk|paragraaf"
            r"|pagina|stap|alinea)\w*|(?:als volgt|zoals (?:hier|hierboven|eerder|gezegd|vermeld|beschreven))|(?:in"
            "|op) de (?:afbeelding|figuur|tekening|grafiek)(?! van)|zie (?:ook|afbeelding|figuur|hoofdstuk|paragraaf"
            "|pagina|tabel|bijlage|hier|de|het)"
        ),
        near=(
            "hij ze zij hem hen hierbij hiermee hiervan hiervoor hierop hierin hieruit hierna hiertoe hierover "
            "hieraan hiertegen daarbij daardoor daarmee daarvan daarvoor daarop daarin daaruit daartoe daarover "
            "daaraan daarnaast"
        ),
        again="eveneens evenals tevens beide",
        told=r"beiden|de overige|de andere|de rest|laatste twee|^(?:\w+ )?andere(?! \w+ dan)",
    ),
    "Swedish": Pointing(
        common=(
            "och att är av en ett som för med på inte till det den har kan om från vid eller de i ska skall ej var "
            "nedan ovan här"
        ),
        opens=(
            "också dock ändå alltså således däremot nämligen följaktligen vidare slutligen samtidigt likaså "
            "dessförinnan härefter därmed därvid därigenom därtill härigenom annars men och eller ty därpå båda dels "
            "tvärtom detta dessutom därför emellertid därefter sådan sådana"
        ),
        opens_with=(
            "även(?! om)|sedan (?:kan|ska|skall|är|får|har|blir|måste)|så (?:kan|är|blir|ska|skall|har|gör|småningom)"
            "|till exempel|t ex|det vill säga|d v s|dvs|å andra sidan|på (?:så|detta|samma) sätt|med andra ord"
            "|i stället|till sist|som (?:nämnts|framgår|sagt)|av (?:detta|samma|den) (?:skäl|anledning)|i så fall"
            "|i (?:detta|sådana|dessa)|trots (?:det|detta)|utöver (?:det|detta)|förutom (?:det|detta)|efter (?:det"
            "|detta)|det (?:betyder|innebär|beror|gör att)|på grund av (?:det|detta)"
        ),
        shows="denne dessa dylik dylika dylikt densamma detsamma desamma härav härom härtill häri därav därom denna",
        shows_by=(
            r"sådan[at]?(?!(?: \w+){0,5} som)|(?<!måste )(?<!kan )(?<!ska )(?<!skall )detta|den här|det här|de här"
            "|(?<!i )så(?:som)? ovan"
        ),
        sends=(
            "nedan|ovan|(?:ovan|tidigare|förut) ?nämnd[ae]?|nämnda|(?:ovan|nedan)stående|sagda|ifrågavarande"
            "|föregående|efterföljande|(?:först|sist)nämnd[ae]?|enligt följande|(?:följande|nästa|förra) (?:figur"
            r"|exempel|tabell|avsnitt|bild|kapitel|sida|steg)\w*|(?:i|av|på) (?:figuren|bilden|tabellen|diagrammet)"
            "|se (?:även|figur|tabell|avsnitt|kapitel|sidan|bilaga|också|nedan)"
        ),
        near="han hon hans hennes honom henne dess deras dem",
        again="också även likaså båda bägge vidare",
        told=(
            "den andra(?! (?:januari|februari|mars|april))|de andra|de övriga|samma(?! (?:som|dag|tid|gång))|den förra"
            "|den senare|^övriga"
        ),
    ),
    "Danish": Pointing(
        common=(
            "og at er af en et som for med på ikke til det den har kan om fra ved eller de i skal der bliver var "
            "nedenfor ovenfor"
        ),
        opens=(
            "også dog altså således endvidere derudover herudover derimod ligeledes endelig dernæst derpå men og "
            "eller ellers samtidig nemlig følgelig alligevel herefter herunder senere begge sådan sådana dermed "
            "derfor imidlertid derefter desuden"
        ),
        opens_with=(
            "for eksempel|f eks|på den anden side|på (?:den|denne|samme) måde|det vil sige|d v s|dvs|med andre ord"
            "|i stedet(?! for)|til sidst|som (?:nævnt|sagt|det fremgår)|af (?:samme|den|denne) grund|i så fald"
            "|på trods af (?:det|dette)|ud over (?:det|dette)|ved siden af|så (?:kan|er|bliver|skal|har)"
            "|det (?:betyder|skyldes|medfører)|i det hele"
        ),
        shows="denne disse derved heraf deraf herfor heri deri herfra hertil dertil",
        shows_by=r"(?<!må )(?<!kan )(?<!skal )(?<!bør )dette|sådan(?:t|ne)?(?! at)(?!(?: \w+){0,5} (?:som|der))",
        sends=(
            "nedenfor|ovenfor|(?:oven|neden)stående|(?:oven|før|sidst|først|omtalt)?nævnte|pågældende|foregående"
            "|efterfølgende|som følger|(?:følgende|næste|forrige) (?:figur|eksempel|tabel|afsnit|billede|kapitel|side"
            r"|trin)\w*|(?:i|på|af) (?:figuren|billedet|tabellen|diagrammet)|se (?:også|figur|tabel|afsnit|kapitel"
            "|side|bilag)"
        ),
        near="han hun hans hendes ham hende dens dets deres dem",
        again="også ligeledes begge endvidere",
        told="den anden|det andet|de andre|de øvrige|samme(?! (?:som|dag|tid))|sidstnævnte|førstnævnte|de to",
    ),
    "Norwegian": Pointing(
        common=(
            "og at er av en et som for med på ikke til det den har kan om fra ved eller de i skal der blir var "
            "nedenfor ovenfor å"
        ),
        opens=(
            "også dessuten derimot videre likevel altså således ellers men og eller samtidig nemlig følgelig senere "
            "begge heretter herunder endelig dermed derfor imidlertid derefter desuden"
        ),
        opens_with=(
            "for eksempel|f eks|på den (?:annen|andre) side|på (?:den|denne|samme) måten?|det vil si|dvs|med andre ord"
            "|i stedet(?! for)|til slutt|som (?:nevnt|sagt)|av (?:samme|den|denne) grunn|i så fall|i tillegg(?! til)"
            "|etter (?:det|dette)|til tross for (?:det|dette)|så (?:kan|er|blir|skal|har)|slik (?:kan|er|blir|får)"
            "|det (?:betyr|skyldes|innebærer|fører)|derfor"
        ),
        shows="denne disse derved herav derav",
        shows_by="(?<!må )(?<!kan )(?<!skal )(?<!bør )dette|slike?t?(?! (?:at|som))",
        sends=(
            "nedenfor|ovenfor|(?:oven|neden)(?:for )?stående|(?:oven|før|sist|først)?nevnte|foregående|påfølgende"
            r"|som følger|(?:følgende|neste|forrige) (?:figur|eksempel|tabell|avsnitt|bilde|kapittel|side|trinn)\w*"
            "|(?:i|på|av) (?:figuren|bildet|tabellen|diagrammet)|se (?:også|figur|tabell|avsnitt|kapittel|side"
            "|vedlegg)"
        ),
        near="han hun hans hennes ham henne dens dets deres dem",
        again="også likeledes begge videre",
        told="den andre|det andre|de andre|de øvrige|samme(?! (?:som|dag|tid))|sistnevnte|førstnevnte|de to",
    ),
}
