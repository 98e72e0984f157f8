"""What points out of a sentence in languages of Asia, in Arabic, Hebrew and Swahili."""

from __future__ import annotations

import unicodedata

import pytest

from smart_train.pairs.dropped_subject import drops_subject
from smart_train.pairs.leaning import leans, links
from smart_train.pairs.named_subject import refers_back
from smart_train.pairs.pointing import east_asian, west_and_south_asian
from smart_train.pairs.words import clean

# By language: a connective, a demonstrative, a pronoun or an anaphor, what sends the reader elsewhere.
LEANING = {
    "Japanese": [
        "とはいえ、古いポンプは冬に凍結する",
        "もし、弁が閉じたならば、ポンプは停止する",
        "右のように青いポンプは川の近くに置かれる",
        "赤いポンプは、同様に冬の前に油を入れる",
        "赤いポンプの弁は次の手順で交換される",
        "古いポンプは先に述べた弁と結合される",
    ],
    "Korean": [
        "하지만 낡은 펌프는 겨울에 얼어붙는다",
        "낡은 펌프는 이것을 통해 물을 보낸다",
        "여기서 펌프의 압력은 두 배로 올라간다",
        "낡은 펌프는 다음과 같은 순서로 분해된다",
        "리옹의 펌프는 그림 3에 나오는 밸브가 있다",
    ],
    "Chinese": [
        "换句话说,旧水泵在冬天会冻结",
        "否则里昂的旧水泵会在冬天冻结",
        "里昂的旧水泵裝有這種閥門",
        "旧水泵的阀门位置见图三所示",
        "里昂的水泵按照下列步骤进行拆卸",
    ],
    "Vietnamese": [
        "Tuy nhiên máy bơm cũ bị đóng băng vào mùa đông",
        "Máy bơm cũ bị đóng băng trong thời gian đó",
        "Họ thay van của máy bơm vào mùa đông",
        "Van của máy bơm cũ được tháo như sau",
        "Máy bơm cũ có van như trong hình 4",
    ],
    "Indonesian": [
        "Namun pompa tua membeku pada musim dingin di Lyon",
        "Dengan demikian pompa tua tidak membeku di Lyon",
        "Pompa ini dipasang di dekat sungai dan tidak berkarat",
        "Pada musim dingin mereka mengisi pompa dengan minyak",
        "Pompa tua dibongkar dengan langkah sebagai berikut",
    ],
    "Malay": [
        "Oleh itu pam lama tidak boleh digunakan pada musim sejuk",
        "Walau bagaimanapun pam lama lebih mahal dari pam baru",
        "Pekerja itu mengisi pam dengan minyak setiap tahun",
        "Bahagian pam ditunjukkan dalam gambar di bawah",
    ],
    "Thai": [
        "ดังนั้นปั๊มน้ำเก่าจะแข็งตัวในฤดูหนาว",
        "ปั๊มน้ำดังกล่าวติดตั้งใกล้แม่น้ำในเมืองลียง",
        "พวกเขาเติมน้ำมันในปั๊มก่อนฤดูหนาว",
        "วาล์วของปั๊มน้ำแสดงอยู่ในรูปที่ 3",
    ],
    "Arabic": [
        "ولكن المضخات القديمة تتجمد في الشتاء",
        "تعمل المضخة المذكورة بالزيت في مدينة ليون",
        "وهي تعمل بالزيت في مدينة ليون كل شتاء",
        "تفكك المضخات القديمة في ليون كما يلي",
    ],
    "Persian": [
        "بنابراین پمپ قدیمی در زمستان یخ می‌زند",
        "پمپ قدیمی در این شهر نصب شده است",
        "آنها پمپ قدیمی را با روغن پر می‌کنند",
        "قطعات پمپ قدیمی در شکل زیر دیده می‌شود",
    ],
    "Hebrew": [
        "אולם המשאבות הישנות קופאות בחורף בליון",
        "המשאבות הללו עומדות ליד הנהר בליון",
        "היא ממלאת את המשאבות בשמן לפני החורף",
        "חלקי המשאבה הישנה מופיעים באיור 3",
    ],
    "Hindi": [
        "लेकिन पुराने पंप सर्दियों में जम जाते हैं",
        "पुराने पंप इन्हें पानी देते हैं",
        "वे सर्दियों से पहले पंप में तेल भरते हैं",
        "पंप के हिस्से निम्नलिखित क्रम में खोले जाते हैं",
    ],
    "Marathi": [
        "परंतु जुने पंप हिवाळ्यात गोठतात आणि बंद पडतात",
        "शहरात हा पंप नदीच्या काठावर बसवला आहे",
        "त्यांनी हिवाळ्यापूर्वी पंपात तेल भरले आहे",
        "पंपाचे भाग खालील क्रमाने उघडले जातात",
    ],
    "Bengali": [
        "কিন্তু পুরানো পাম্প শীতকালে জমে যায়",
        "শহরের পাম্প এই নদীর ধারে বসানো হয়েছে",
        "তিনি শীতের আগে পাম্পে তেল ভরেন",
        "পাম্পের অংশ নিম্নলিখিত ক্রমে খোলা হয়",
    ],
    "Tamil": [
        "ஆனால் பழைய குழாய்கள் குளிர்காலத்தில் உறைகின்றன",
        "பழைய குழாய்கள் இந்த நகரத்தில் உள்ளன",
        "அவர்கள் குளிர்காலத்திற்கு முன் எண்ணெய் ஊற்றுகிறார்கள்",
        "குழாயின் பாகங்கள் பின்வரும் முறையில் கழற்றப்படுகின்றன",
    ],
    "Georgian": [
        "მაგრამ ძველი ტუმბოები ზამთარში იყინება",
        "ძველი ტუმბოები ამ ქალაქში დგას",
        "ზამთარში ისინი ავსებენ ტუმბოებს ზეთით",
        "ტუმბოს ნაწილები ქვემოთ აღწერილი წესით იშლება",
    ],
    "Armenian": [
        "բայց հին պոմպերը ձմռանը սառչում են",
        "հին պոմպերը կանգնած են այս քաղաքում",
        "ձմռանը նրանք լցնում են պոմպերը յուղով",
        "պոմպի մասերը հանվում են հետևյալ կարգով",
    ],
    "Swahili": [
        "Lakini pampu za zamani huganda katika majira ya baridi",
        "Pampu hizo zinatumia mafuta katika mji wa Lyon",
        "Yeye hujaza pampu kwa mafuta kila mwaka",
        "Sehemu za pampu zinaonekana katika mchoro 3",
    ],
}
STANDING = {
    "Japanese": [
        "もしもしと電話に出る習慣は百年前に始まった",
        "机の上の写真は古いポンプのものである",
        "パスワードを変更するには、設定画面を開いてください",
        "なぜ古いポンプは冬に凍るのでしょうか",
        "ポンプの名前記入欄は青い",
        "ポンプの油は、冬の前に交換される",
    ],
    "Korean": [
        "이의 신청은 서른 날 안에 해야 한다",
        "그림 속의 펌프는 리옹의 화가가 그렸다",
        "단 음식은 이가 약한 사람에게 해롭다",
        "비밀번호를 바꾸려면 설정 화면을 연다",
        "제주도 4월 축제에는 펌프가 쓰인다",
    ],
    "Chinese": [
        "可见光的波长比紫外线长",
        "即插即用的水泵不需要驱动程序",
        "还原后的水泵恢复出厂压力",
        "网上图书馆有水泵的说明",
        "應該每年給水泵加油",
    ],
    "Vietnamese": [
        "Thế giới có bốn trăm nhà máy bơm nước",
        "Nghĩa vụ của nhà máy là thay van mỗi năm",
        "Máy bơm được lắp ở dưới nước tại Lyon",
        "Họ Đậu gồm nhiều loài cây trồng lấy hạt",
        "Nước sông, trong đó có sông Lô, chảy qua máy bơm",
    ],
    "Indonesian": [
        "Lalu lintas di Lyon diatur dengan lampu tua",
        "Pompa tua di Lyon saat ini masih digunakan",
        "Pompa tua dapat diisi dengan minyak setiap tahun",
        "ITU adalah organisasi telekomunikasi",
    ],
    "Malay": [
        "Pam lama di Lyon lebih mahal dari pam baru",
        "Setiap pam perlu diisi dengan minyak",
        "Harga pam akan naik pada musim sejuk",
        "Air sungai dapat merosakkan pam lama",
    ],
    "Thai": [
        "แต่ละเมืองมีปั๊มน้ำของตนเอง",
        "มันฝรั่งต้องการน้ำจากปั๊มทุกวัน",
        "ปั๊มน้ำใช้น้ำมันเท่านั้นในฤดูหนาว",
        "ปั๊มน้ำเก่าแข็งตัวในฤดูหนาว",
    ],
    "Arabic": [
        "أي شخص يمكنه تشغيل المضخة القديمة",
        "الهدف هو تشغيل المضخة في الشتاء",
        "من ثمار المدينة التفاح والعنب",
        "ومن المهم ملء المضخات بالزيت قبل الشتاء",
    ],
    "Persian": [
        "پس از باران پمپ قدیمی خاموش می‌شود",
        "با وجود باران پمپ قدیمی کار می‌کند",
        "پمپ قدیمی در زیر آب نصب شده است",
        "کیفیت فوق العاده پمپ با روغن حفظ می‌شود",
    ],
    "Hebrew": [
        "גם אם יורד גשם המשאבה פועלת",
        "ברוכים הבאים לתחנת המשאבות של ליון",
        "המטרה היא להפעיל את המשאבה בחורף",
        "המשאבה מועילה בכך שהיא חוסכת שמן",
    ],
    "Hindi": [
        "निम्न दाब पर पुराने पंप बंद हो जाते हैं",
        "पुराने पंप में तेल ही भरा जाता है",
        "पुराने पंप पानी के नीचे लगे होते हैं",
        "सर्दियों में पंप तभी चलता है जब पानी हो",
    ],
    "Marathi": [
        "जुने पंप हिवाळ्यात गोठतात आणि बंद पडतात",
        "शहरातील पंप नदीच्या काठावर बसवले आहेत",
        "पंप तेल किंवा पाण्याने भरले जातात",
        "हिवाळ्यात पंपात तेलच भरले जाते",
    ],
    "Bengali": [
        "পুরানো পাম্প শীতকালে জমে যায়",
        "তামার তার দিয়ে পাম্প চালানো হয়",
        "আকাশের তারা দেখে নাবিক পথ চেনে",
        "পাম্পে তেল ও পানি ভরা হয়",
    ],
    "Tamil": [
        "பழைய குழாய்கள் குளிர்காலத்தில் உறைகின்றன",
        "நகரத்தின் குழாய்கள் எண்ணெயால் நிரப்பப்படுகின்றன",
        "குழாயின் பாகங்கள் எஃகால் செய்யப்பட்டவை",
        "ஆற்றின் மேலே பழைய பாலம் உள்ளது",
    ],
    "Georgian": [
        "გარდა ზეთისა, ტუმბოებს წყალიც სჭირდება",
        "ძველი ტუმბოები ზამთარში იყინება",
        "ლიონის ტუმბოები მდინარის ზემოთ დგას",
        "ტუმბო ის მანქანაა, რომელიც წყალს ქაჩავს",
    ],
    "Armenian": [
        "հին պոմպերը ձմռանը սառչում են",
        "պոմպերի տվյալները պահվում են քաղաքում",
        "պոմպը այն մեքենան է, որը ջուր է մղում",
        "պոմպերը լցվում են յուղով և ջրով",
    ],
    "Swahili": [
        "Pampu za zamani huganda katika majira ya baridi",
        "Mji wa Lyon una pampu za maji kwa kila mtaa",
        "Wafanyakazi hujaza pampu kwa mafuta kama vile dizeli",
        "Pampu nne zimewekwa katika mto wa Lyon",
    ],
    "other languages with such words": [
        "The pump of Lyon reads old values from an ini file",
        "Pompen staan in Lyon en het ini-bestand is oud",
        "ITU sets rules for pumps with radios",
        "No dia da festa, as bombas de Lyon param",
        "Lyon hizo bombas de hierro ya en 1850",
        "IA générative pour les pompes de Lyon",
    ],
}


def _cases(sentences: dict[str, list[str]]) -> list[object]:
    return [
        pytest.param(sentence, id=f"{language}-{number}")
        for language, told in sentences.items()
        for number, sentence in enumerate(told)
    ]


@pytest.mark.parametrize("sentence", _cases(LEANING))
def test_a_sentence_that_points_elsewhere_leans(sentence: str) -> None:
    assert leans(clean(sentence), under_heading=True) or links(clean(sentence))


@pytest.mark.parametrize("sentence", _cases(STANDING))
def test_a_sentence_that_is_only_near_to_one_stands_alone(sentence: str) -> None:
    assert not (leans(clean(sentence), under_heading=True) or links(clean(sentence)))


@pytest.mark.parametrize(
    ("again", "first"),
    [
        ("Máy bơm ở Lyon cũng cần dầu", "Máy bơm ở Lyon cần dầu"),
        ("Pompa Lyon juga diisi dengan minyak", "Pompa Lyon diisi dengan minyak"),
        ("Pampu za Lyon pia zinajazwa kwa mafuta", "Pampu za Lyon zinajazwa kwa mafuta"),
        ("المضخة في ليون أيضا تحتاج إلى الزيت", "المضخة في ليون تحتاج إلى الزيت"),
        ("پمپ لیون نیز روغن دارد", "پمپ لیون روغن دارد"),
        ("המשאבה בליון גם מלאה בשמן", "המשאבה בליון מלאה בשמן"),
        ("लियोन का पंप भी तेल से चलता है", "लियोन का पंप तेल से चलता है"),
        ("ल्योनचे पंप सुद्धा जुने आहेत", "ल्योनचे पंप जुने आहेत"),
        ("লিয়নের উভয় পাম্প পুরানো", "লিয়নের পাম্প পুরানো"),
        ("நகரத்தின் மற்றொரு குழாய் பழையது", "நகரத்தின் குழாய் பழையது"),
        ("ლიონის ტუმბო ასევე ძველია", "ლიონის ტუმბო ძველია"),
        ("Լիոնի պոմպը նաև հին է", "Լիոնի պոմպը հին է"),
        ("ปั๊มทั้งสองติดตั้งในลียง", "ปั๊มสามตัวติดตั้งในลียง"),
        ("残りのポンプは青い", "古いポンプは青い"),
        ("리옹의 두 번째 펌프는 낡았다", "리옹의 펌프는 낡았다"),
        ("可以修改水泵的压力", "水泵的压力可以修改"),
    ],
)
def test_what_was_said_before_refers_back(again: str, first: str) -> None:
    assert refers_back(clean(again)) and not refers_back(clean(first))


@pytest.mark.parametrize(
    ("sentence", "drops"),
    [
        ("画面に古いポンプの圧力を表示することができる", True),
        ("古いポンプを冬の前に交換します", True),
        ("ポンプに油を入れてください", True),
        ("ポンプは油を使用します", False),
        ("火災の場合は、ポンプを止めてください", False),
        ("弁を開くことで、圧力を下げることができる", False),  # the first half says what does it
        ("ポンプの油の交換", False),  # a heading
        ("새 펌프를 설치한다", False),  # an instruction of a manual
        ("펌프는 초보자", False),
        ("내일은 비가 내리겠습니다", False),
        ("펌프를 함께 분해해 보자", True),
        ("펌프가 물을 보낸다", False),
        ("펌프를 끄려면 빨간 단추를 누르십시오", False),
        ("펌프 설치 방법", False),
        ("Pumps of Lyon need oil", False),
    ],
)
def test_particles_and_ends_tell_what_leaves_out_its_subject_or_asks(sentence: str, drops: bool) -> None:
    assert drops_subject(sentence) == drops


def test_a_pointer_after_a_comma_points_into_its_own_sentence() -> None:
    assert leans("Pompa itu diisi dengan minyak")
    assert not leans("Setiap tahun pekerja di Lyon mengisi pompa dengan minyak, dan minyak itu mahal")


def test_no_word_is_listed_twice_and_all_are_small() -> None:
    languages = [*east_asian.LANGUAGES.values(), *west_and_south_asian.LANGUAGES.values()]
    assert len(languages) == 16
    for language in languages:
        for words in (language.opens, language.shows, language.near, language.again, language.common):
            told = words.split()
            assert len(told) == len(set(told)) and words == words.lower()
        assert set(language.opens.split()).isdisjoint(language.shows.split())


def test_letters_that_a_page_holds_in_parts_are_found() -> None:
    parts = unicodedata.normalize("NFD", "তাছাড়া পাম্পে তেল ভরা হয়")
    assert leans(unicodedata.normalize("NFC", parts)) and leans(clean("তাছাড়া পাম্পে তেল ভরা হয়"))
