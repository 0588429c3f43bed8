"""The page's own words, in English and Chinese. No Keras in here."""

# key: (English, Chinese)
WORDS = {
    "title": ("kexue-keras: try everything", "kexue-keras：全部试一试"),
    "about": ("The models of this repository, on this machine. Each tab is one article of "
              "[科学空间](https://kexue.fm). [中文](/zh/)",
              "本仓库的模型，全部在这台机器上运行。每个标签页对应[科学空间](https://kexue.fm)的一篇文章。"
              "[English](/en/)"),
    "go": ("Go", "运行"),
    "answer": ("answer", "结果"),
    "seed": ("seed", "随机种子"),
    "other_seed": ("seed of the end", "终点的随机种子"),
    "temperature": ("temperature", "温度"),
    "segment": ("Words", "分词"),
    "text": ("text", "文本"),
    "model": ("whose words", "分词标准"),
    "default": ("Shanxi University (SXU)", "山西大学（SXU）"),
    "fast": ("the same, small and fast", "同上，更小更快"),
    "pku": ("People's Daily (PKU)", "人民日报（PKU）"),
    "nlpcc": ("micro-blogs (NLPCC)", "微博（NLPCC）"),
    "dictionary": ("your own words, with blanks between them", "用户词典，词与词之间用空格隔开"),
    "wholes": ("keep addresses, numbers, Latin words whole", "网址、数字、英文单词保持完整"),
    "couplet": ("Couplets", "对联"),
    "line": ("first line", "上联"),
    "forbid": ("characters of the first line in the answer", "下联能否用上联的字"),
    "forbid_line": ("none of them", "都不能用"),
    "forbid_position": ("not at the same place", "同一位置不能用"),
    "forbid_none": ("any", "都可以用"),
    "repeat": ("repeat characters where the first line does", "上联重字处下联也重字"),
    "symbols": ("punctuation stays in its place", "标点原样保留"),
    "tones": ("opposite tones (平仄)", "平仄相对"),
    "tones_off": ("not asked for", "不要求"),
    "tones_modern": ("by today's sounds", "按今音"),
    "tones_old": ("by the sounds of verse", "按诗韵"),
    "verse": ("Verse", "作诗"),
    "way": ("way", "方式"),
    "random": ("random codes", "随机"),
    "poem": ("poems of four lines", "四句诗"),
    "between": ("between two couplets", "两联之间"),
    "like": ("like a couplet", "仿一联"),
    "fill": ("fill in □", "填 □"),
    "verse_text": ("couplet, or its first line", "一联，或只写上句"),
    "verse_info": ("used by the last three ways; with □ to fill in, such as 春□□□□□□□花□",
                   "后三种方式用到；“填 □”时把空处写成 □，例如 春□□□□□□□花□"),
    "verse_other": ("the other couplet", "另一联"),
    "verse_info_other": ("used between two couplets", "只用于“两联之间”"),
    "read": ("Reading", "阅读理解"),
    "question": ("question", "问题"),
    "passages": ("passages, one a line", "材料，每行一段"),
    "nothing": ("No passage has an answer.", "材料里没有答案。"),
    "curves": ("Bars below a character: how likely the answer starts there (blue) and ends there (orange).",
               "字下的柱：答案从这里开始（蓝）、在这里结束（橙）的概率。"),
    "table": ("Ask a table", "问表格"),
    "file": ("CSV or Excel of at most 10 MB; without one, a table of books", "CSV 或 Excel，不超过 10 MB；"
             "不上传就问示例的图书表"),
    "sheet": ("sheet, where there are several", "工作表（有多张时填写）"),
    "understood": ("understood as", "理解为"),
    "vae": ("VAE: the plane", "VAE：隐平面"),
    "plane": ("click: the digit of that place; drag: the walk from where you start to where you end",
              "点一处：画出那里的数字；拖一段：从起点渐变到终点"),
    "digit": ("digit", "数字"),
    "walk": ("walk", "渐变"),
    "nice": ("Flow: NICE", "流模型 NICE"),
    "samples": ("samples", "样本"),
    "walks": ("walks between codes", "编码之间的渐变"),
    "gan": ("GAN", "GAN"),
    "capsule": ("Capsules", "胶囊网络"),
    "draw": ("draw two digits side by side, or one above the other", "画两个数字，左右或上下都行"),
    "votes": ("where the votes for each digit come from", "每个数字的票来自哪里"),
    "more": ("More articles", "更多文章"),
}


def words_in(language):
    """key → text, in Chinese (zh) or English."""
    return {key: pair[language == "zh"] for key, pair in WORDS.items()}


def language_of(header):
    """zh where a browser's Accept-Language begins with Chinese, else en."""
    first = (header or "").split(",")[0].strip().lower()
    return "zh" if first.startswith("zh") else "en"
