"""What points out of a sentence in languages of East and Southeast Asia.

A word that is harmless in another language of Latin letters stands in a phrase: "ini" is a kind of file, "ITU" an
acronym. In Japanese and Chinese a comma often stands where another language ends a sentence: there the commonest
demonstratives count behind one too, and stand in `sends`."""

from __future__ import annotations

from smart_train.pairs.pointing.entry import Pointing

LANGUAGES = {
    "Japanese": Pointing(
        opens_with=(
            "もし(?!か|も[のし])|では、|そんな|こんな|あんな|とは(?:いえ|いうものの)|なぜなら|というの[はも]"
            "|というわけで|ですから|だが、|けれども?、|でも、|ところ[がで]、|むしろ|あるいは|または|すなわち|要するに"
            "|結局|(?:その)?結果として|加えて|ちなみに|具体的に|とりわけ|特に、|逆に|反対に|反面|他方|他に|他の|ほかに"
            "|別の|もう[一1]|続いて|続けて|次いで|引き続|今回|今度|先ほど|さきほど|先に述|前回|次回|[右左][のに上下側]"
            "|上の|下の|両者|いずれ[もにの]|どちら[もの]|さて|はじめに|第[一二三1-3]に|同時に|以[上後降前][はの、]"
            "|言い換え|換言|もちろん|確かに|やはり|しかも|おまけに|ゆえに|よって、|当該|前[記項]|同[社氏法]|なおか?つ"
            "|かつ、|とすると|とすれば|とともに|実行(?:し|する)(?:て[^るい]|と)|こちら|そちら|そもそも|ましてや"
            "|にもかかわらず|とで、|つぎ[にの]|その結果|時には、|これ|この|ここ|こう|それ(?!ぞれ)|その|そこ|そう|あれ"
            "|あの|また|さらに|しかし|同じ|同様|最後に|まず|つまり|一方|このため|例えば|たとえば|次[にの]|以下|上記"
            "|のように|代わりに|なお|ただし|従って|したがって|そして|すると|それで|だから|.{0,4}彼|なので"
            r"|デフォルト(?:値は|では|は)|既定値は|[がを]|[はにでとのも](?=\P{Hiragana})|該|此|其|他|然而|因此"
            "|[前後后]者"
        ),
        shows_by=(
            "(?:そ|こ)んな|(?<!と)同様[にの]|当該|上述|先述|先ほど|先に(?:示し|述べ|説明|挙げ)|(?<!名)前[記掲](?![憶入録号事者載])|右[記図]"
            "|左[記図]|(?<![地以])[上下]図|別[表紙](?!現)|次の(?:よう|とおり|通り|図|表|式|手順|コマンド|コード"
            r"|[章節項])|(?<![\p{Han}\p{Katakana}A-Za-zーの] ?)[上下右左]の(?:図|表(?![示現面])|例|式|画面|写真|よう"
            "|コード)|(?<!目)[前次](?:ページ|頁|章|節)|(?<!あ)そこ(?:に|で|から|へ|は)|ここ(?:に|で|から|まで|では)"
            "|後ほど|後で(?:説明|述べ)"
        ),
        sends="これ|この|(?<!ど)こう(?:し|い)|それ(?!ぞれ)|その(?!他)|あの",
        told="もう[一1]|ほかの|他の|両[者方]|残りの|いずれも|どちらも",
        printed=True,
    ),
    "Chinese": Pointing(
        opens_with=(
            "再(?:者|次|加上|则|則)|其[中次餘余]|[从從][而此]|[进進]而|[总總]之|[综綜]上|反之|反[过過][来來]|相反"
            "|[换換](?:言|句)|也就是|即(?![使将將时時日便刻插食])|[与與](?:此|之)|[对對][此它他她]|[为為]此|就此"
            "|[据據]此|至此|因而|故(?![障宫宮事乡鄉意])|那[么麼]|那[些个個种種时時里裡是]|否[则則]|除此|除了[这這]"
            "|之[后後]|[随隨][后後]|尤其|特[别別]是|譬如|比如|例如|一方面|但(?!丁)|而(?![立已])|[却卻]|可是|只是|甚至"
            "|可[见見](?!光)|[显顯]然|[实實][际際]上|事[实實]上|[当當]然|同理|[类類]似[地的]|如此|不[仅僅]如此"
            "|通[过過][这這以上]|另|同[时時样樣]|首先|接[着著下]|然[后後]|最[后後]|[后後前]者|不[过過]|[于於]是|所以"
            "|因此|此|以上|以下|如[下上图圖]|上[述面]|下[列述面图圖表]|[详詳]?[见見][图圖表]|[请請][参參见見看]"
            "|又(?![叉])|[还還](?![原款])|更(?![换換新改多名衣年正替])|再(?![生保循现現])|而且|并且"
            "|[并並](?![联聯行列发發])|以及|或者|或(?![许許])|兩者|两者|二者|各自|[他她它][们們的]?"
            "|.{0,4}(?<![其吉利排])[他她它]|默认值?[为是]|又[称名叫]|[亦也或简简俗旧]称|别名|这|這|该|該|其|然而|例如"
            "|如下|见|見|請見|同样|其次|另一|其余|由此|同[样时]|接着|一方"
        ),
        shows_by=(
            "這|(?<![应應活])該|上述|下述|下列|前述|[与與]此|前面(?:的|所|提)|如[上下](?!降)|以[上下](?:的|所|几|幾|是"
            "|[两兩三四五]|步|方法|命令)|[上下左右][图圖](?![书書示案形像])|[上下左右]表(?![示现現达達明面格演彰])"
            "|(?<![列代])[图圖表](?:格)?中(?:的|可|所)|[请請][参參][阅閱见見考照看]|[详詳][见見]"
            "|(?<![常意罕少多看听聽遇再])[见見](?:[图圖表附]|第)|本[節書]|本手冊|此(?:[时時处處类類种種次例项項外後后]"
            "|[种種]|功能|方法)|(?<!如)(?<!因)(?<!在)此[,、]|前者|[后後]者"
        ),
        sends="这|(?<!应)该",
        told=(
            "也|亦(?!可)|同[样樣]|[两兩二]者|其[他它餘余]|另一|[剩其]?[余餘]下?的|^(?:可以|能[够夠]|[还還]可|只[需能]"
            "|需要)"
        ),
        printed=True,
    ),
    "Korean": Pointing(
        opens=(
            "그러므로 그렇지만 하지만 그렇다면 그러면 그럼 그렇기 그밖에 그외에 그중 그중에서 그뿐 그때 그때는 그녀는 "
            "그녀의 그들은 그들의 그들이 그의 그가 그는 그를 그에 그리하여 그러니 그러니까 그로 그곳에서 게다가 "
            "더욱이 더구나 더불어 반면 반면에 반대로 마찬가지로 결국 결과적으로 예컨대 가령 요컨대 이로써 이로 이로서 "
            "이후 이후에 이밖에 이외에 이외에도 이어 이어서 이같이 이번 이번에 이번에는 이것 이것도 이들 이곳 "
            "이곳에서 이때의 이상의 이상으로 이상과 이렇듯 여기 여기서는 여기에 여기에서 여기에는 여기까지 거기서 "
            "거기에 왜냐하면 물론 아무튼 어쨌든 먼저 우선 다음 다음은 다음과 다음으로 다음에 다음의 다음에는 "
            "마지막으로 끝으로 첫째 둘째 셋째 앞의 위에 위와 위의 아래 아래의 아래와 아래는 아래에 동시에 오히려 "
            "도리어 하물며 또 또는 혹은 및 참고로 구체적으로 그래도 그럴 저 저는 여전히 나머지 둘 이때 이제 예를 거기 "
            "그 그래서 그러나 그런데 그럼에도 그리고 다만 따라서 또한 아울러 이 이는 이를 이에 즉 특히 한편"
        ),
        opens_with=(
            "예를 들[어면]|다시 말|뿐만 아니라|그 (?:결과|외|밖|다음|중|때|후|뒤)|이 (?:때|외|밖|중|후)|본격적인"
            r"|하나의 예|이미 |위\d|(?:의|을|를|에|로|은|는|와|과) |위 |아니 |다음 차례"
        ),
        shows=(
            "이것은 이것을 이것이 이것의 그것은 그것을 그것이 그것의 저것 이들은 이들의 이들을 이들이 이처럼 이같은 "
            "이렇게 그렇게 이와 그와 그런 저런 상기 전술한 전술된 후술하는 후술할 상술한 전자의 전자는 후자의 후자는 "
            "여기서 여기에서는 앞서 앞에서 위에서 아래에서는 상단의 하단의 이러한 이런 해당 그러한"
        ),
        shows_by=(
            "(?:다음|아래|위)[과와] 같|다음의 |(?:위|아래|앞|뒤|다음)(?:의|에 있는)? (?:그림|사진|표|예시|예제|예|작업"
            "|내용|명령|코드|식|절|장|과정|화면|경우|부분|결과|함수|방법|단계|항목|설명)|(?<![가-힣])(?:그림|사진|표"
            r"|부록|별표|별첨|예제|식)\s?<?\d|(?:을|를) (?:참조|참고)(?:하|한|할|해)|참조하[십세시]|(?:이|그)(?:것"
            "|곳)(?:에|으로|도|과|만|들)|(?<=[가-힣] )이 (?=[가-힣]{2})|(?:좌측|우측|왼쪽|오른쪽) (?:그림|표|화면|사진"
            "|그래프)|본 (?:논문|연구|문제|과제|교재|자료|매뉴얼|설명서)|같은 방(?:법|식)으로"
        ),
        again="역시 마찬가지로 나머지 또다른",
        told=r"또 다른|다른 하나|두 (?:번째|가지|방법|경우)|세 (?:번째|가지)|둘 다|위 \d|[네다섯여섯]+ 가지|\d ?가지",
        printed=True,
    ),
    "Vietnamese": Pointing(
        opens="đây đó nhưng và hoặc hay rồi vậy còn nó",
        opens_with=(
            r"thế (?:là|nên|thì|nhưng)\b|nghĩa là|tức là|song(?! song)\b|họ(?! (?:hàng|tên|và)| (?-i:\p{Lu}))\b"
            "|tuy (?:nhiên|vậy|thế)|ngoài ra|do (?:đó|vậy)|vì (?:vậy|thế)|bởi (?:vậy|thế)|như (?:vậy|thế|đã|trên|sau)"
            "|ví dụ(?:,| như|:)|chẳng hạn|mặt khác|đồng thời|bên cạnh (?:đó|này)|hơn nữa|thêm vào đó|ngược lại"
            "|trái lại|cuối cùng|tiếp theo|sau (?:đó|đây|cùng)|trước (?:hết|đó|tiên)|theo đó|nhờ (?:đó|vậy)|khi (?:đó"
            "|ấy)|lúc (?:đó|này)|trong (?:đó|khi đó)|từ đó|tóm lại|nói cách khác|cụ thể(?: là|,)|đặc biệt(?: là|,)"
            "|tương tự|thứ (?:hai|ba|tư)|một mặt|mặc dù vậy|qua đó|ở (?:đây|đó)|dưới đây|trên đây|hai là|cái (?:này"
            "|đó)|xem (?:thêm|hình|bảng|mục|phần|chương|trang)|chúng (?!ta|tôi|mình)"
        ),
        shows="ấy này",
        shows_by=(
            r"(?<!trong )(?<!do )(?<!từ )\bđó\b|(?:dưới|trên) đây\b|(?:nêu|nói|kể|mô tả|trình bày"
            r"|giới thiệu) (?:ở )?trên\b|\btrên(?=$|,| để\b)|như sau\b|sau đây\b|như vậy\b|như thế(?! nào)\b|kể trên"
            r"|tiếp theo sau|ở đây\b|(?:hình|bảng|sơ đồ|biểu đồ|phụ lục) \d|xem (?:thêm|hình|bảng|mục|phần|chương"
            r"|trang)\b|hình (?:bên|dưới|trên)\b"
        ),
        near="nó",
        again="cũng nữa",
        told=r"cả hai\b|một \w+ khác\b|còn lại\b|thứ (?:hai|ba)\b|hai \w+ (?:trên|này)\b",
        printed=True,
    ),
    "Indonesian": Pointing(
        common=(
            "yang dengan untuk adalah dari tidak dalam oleh sebagai atau dapat akan jika telah juga karena bisa ialah "
            "kepada merupakan lebih setiap semua hanya harus mereka bahwa saja digunakan menggunakan mendukung "
            "berbasis dibangun berdasarkan menjadi memiliki memungkinkan menunjukkan membuat memberikan menyediakan "
            "terdiri termasuk berfungsi dilakukan namun tetapi sedangkan kemudian selanjutnya sebaliknya misalnya "
            "contohnya yaitu yakni artinya akibatnya akhirnya bahkan selain setelah sementara demikian berikut hal "
            "ini itu lihat"
        ),
        opens=(
            "namun tetapi tapi sedangkan maka jadi sehingga kemudian selanjutnya sebaliknya misalnya contohnya yaitu "
            "yakni artinya akibatnya hasilnya akhirnya bahkan apalagi lagipula bagaimanapun adapun berikut dan atau "
            "ia dia mereka beliau terakhir demikian begitu justeru manakala seterusnya lantas singkatnya intinya "
            "keduanya lainnya"
        ),
        opens_with=(
            "akan tetapi|oleh (?:karena|sebab|itu)|(?:selain|karena|setelah|sementara|sebelum|untuk|di samping"
            "|atas dasar|sejak|sesudah|maka dari|bersamaan dengan) (?:itu|ini)|dengan (?:demikian|begitu|cara)"
            "|sebagai (?:contoh|berikut)|di (?:sini|sana|sisi lain|atas|bawah)|pada saat yang sama|hal (?:ini|itu"
            "|tersebut|yang sama)|lalu(?! lintas)|(?:pertama|kedua|ketiga),|(?:meskipun|walaupun|walau) (?:demikian"
            "|begitu|bagaimanapun)|tambahan (?:pula|lagi)|dalam hal (?:ini|itu)|dengan kata lain"
            "|seperti (?:yang )?(?:telah|sudah|disebut|dijelas|terlihat|di atas)|lihat |tentu saja"
        ),
        shows="tersebutlah begitulah demikianlah tersebut",
        shows_by=(
            r"(?<!saat )(?<!hari )(?<!selama )(?<!dewasa )(?<!akhir )(?<!sekarang )\b(?-i:[Ii]ni)\b"
            r"|(?<!oleh karena )\b(?-i:[Ii]tu)\b(?! sendiri)|sebagai berikut|berikut ini|yang berikut(?:nya)?\b"
            "|di (?:atas|bawah)(?: ini)?(?=$|[,.:])|(?:lihat|baca) (?:juga |pada )?(?:bagian|bab|gambar|tabel|halaman"
            r"|lampiran|catatan)|(?:gambar|tabel|lampiran) \d|(?:pada|dalam) (?:gambar|tabel|bab|bagian) (?:ini|di)"
            r"|tadi\b|yang (?:telah )?(?:disebutkan|dijelaskan|dibahas)|seperti di ?atas"
        ),
        near="mereka ia dia beliau",
        again="juga pula keduanya lainnya",
        told=r"kedua(?! kali)\b|yang (?:lain|sama|kedua|tersisa)\b|selebihnya\b",
        printed=True,
    ),
    "Thai": Pointing(
        opens_with=(
            "ดังนั้น|อย่างไรก็|นอกจาก(?:นี้|นั้น)|อีกทั้ง|ทั้ง(?:นี้|นั้น)|(?:หลัง)?จากนั้น|ต่อมา|ต่อไป|(?:เพราะ)?ฉะนั้น|เช่น|ตัวอย่าง(?:เช่น|คือ)"
            "|กล่าวคือ|ในขณะเดียวกัน|ในทาง(?:กลับกัน|ตรงกันข้าม)|แต่(?!ละ)|และ|ซึ่ง|ด้วยเหตุ|สุดท้าย|ประการ(?:แรก|ที่)|แล้ว|ถึงกระนั้น"
            "|มิฉะนั้น|ไม่เช่นนั้น|ในที่สุด|สรุปแล้ว|รวม(?:ถึง|ทั้ง)|อนึ่ง|เช่นเดียวกัน|ที่นี่|นี่|นั่น|พวก(?:เขา|มัน)|เขา(?:จึง|ได้|จะ|เป็น|มี)|เธอ"
            "|มัน(?!ฝรั่ง|สำปะหลัง|เทศ|สมอง)|หรือ|ส่วน(?:นี้|นั้น)|โดยเฉพาะ|ในทำนอง|เมื่อนั้น"
        ),
        shows_by=(
            "เหล่านั้น|ดังกล่าว|ข้าง(?:ต้น|ล่าง)|ดังต่อไปนี้|ที่กล่าว(?:มา|ถึง|ไว้)|ดัง(?:รูป|ภาพ|ตาราง|แสดง)|ดังนี้|(?:รูป|ภาพ"
            r"|ตาราง)(?:ที่)?\s?\d|ดู(?:เพิ่มเติม|ที่หน้า|หน้า|บทที่|หัวข้อ|รูป|ตาราง)|ตามรูป|(?<!เท่า)(?<!ดัง)(?<!ทั้ง)นั้น(?=\s|$)|ตามที่ระบุ"
            "|นี้"
        ),
        told="(?:ด้วย)?เช่น(?:เดียว)?กัน|อีกด้วย|ทั้งสอง|ที่เหลือ|อีก(?:ประการ|อย่าง)",
        printed=True,
    ),
}
