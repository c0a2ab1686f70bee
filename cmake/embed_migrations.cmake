# Writes a C file that holds the numbered SQL files of a directory, as store/migrations.h declares them.
#
#   cmake -DNAME=sqlite -DDIRECTORY=… -DOUTPUT=… -P embed_migrations.cmake
file(GLOB files ${DIRECTORY}/*.sql)
list(SORT files)
set(text "#include \"server/store/migrations.h\"\n\nconst struct store_migration ${NAME}_migrations[] = {\n")
foreach(file ${files})
    get_filename_component(name ${file} NAME_WE)
    file(READ ${file} hexadecimal HEX)
    string(REGEX REPLACE "(..)" "\\\\x\\1" bytes "${hexadecimal}")
    # Pieces of a string, each far below the length that every compiler takes.
    string(REGEX REPLACE "((\\\\x..)(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?)" "\"\\1\"\n" bytes "${bytes}")
    string(APPEND text "{\"${name}\",\n${bytes}},\n")
endforeach()
string(APPEND text "{0},\n};\n")
file(WRITE ${OUTPUT} "${text}")
