"""The built-in corpus: questions to tables, written for this repository, in the format of TableQA.

Nobody's data is in here: 126 schemas of ten fields (samples/schemas.txt), words for their cells
(samples/words.txt) and a grammar of wordings (samples/phrases.txt) make tables, questions and the SQL that
answers them.

    texts            reads those three texts, and says a wording of them
    sample_tables    a schema's columns in some order, some left out, headers in one of their wordings, rows;
                     words that two columns could mean are not used, so that a question has one answer
    sample_cells     the cells of a column
    spoken_numbers   how a number or a day is written: 18年, 三千五, 2亿, 5个点
    mentions         how a cell of text is written: 北大, a slip of the pen
    bounds           a bound lies between two cells where it can: then 超过 and 不低于 agree, as in TableQA
    conditions       true of a row drawn first, so that few questions have an empty answer
    drafts           of which rows a question is
    questions        what it asks for, in which words, and what else is said around it
    builtin          the corpus: the schemas of validation and test are not those of training

Everything follows from the seed: no set is iterated over. Whoever changes what is drawn here, or in which
order, makes another corpus than the one the shipped model was trained on.
"""
