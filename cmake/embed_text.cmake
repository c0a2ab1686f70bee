# Writes a C file that holds a text file as a string.
#
#   cmake -DNAME=openapi_schemas -DINPUT=… -DOUTPUT=… -P embed_text.cmake
file(READ ${INPUT} hexadecimal HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${hexadecimal}")
string(REGEX REPLACE "((0x..,)(0x..,)?(0x..,)?(0x..,)?(0x..,)?(0x..,)?(0x..,)?(0x..,)?)" "\\1\n" bytes "${bytes}")
file(WRITE ${OUTPUT} "extern const char ${NAME}[];\nconst char ${NAME}[] = {\n${bytes}0};\n")
