# Writes a C file that holds the numbered SQL files of a directory for one database, as store/migrations.h declares
# them. What only that database needs stands in NUMBER_NAME.DATABASE.sql, and follows on NUMBER_NAME.sql.
#
#   cmake -DNAME=sqlite -DDIRECTORY=… -DOUTPUT=… -P embed_migrations.cmake
set(bytes_type_sqlite BLOB)
set(bytes_type_postgresql BYTEA)
file(GLOB files ${DIRECTORY}/*.sql)
list(FILTER files EXCLUDE REGEX "\\.[a-z]+\\.sql$")
list(SORT files)
set(text "#include \"server/store/migrations.h\"\n\nconst struct store_migration ${NAME}_migrations[] = {\n")
foreach(file ${files})
    get_filename_component(name ${file} NAME_WE)
    file(READ ${file} sql)
    if(EXISTS ${DIRECTORY}/${name}.${NAME}.sql)
        file(READ ${DIRECTORY}/${name}.${NAME}.sql further)
        string(APPEND sql "${further}")
    endif()
    string(REPLACE " BLOB" " ${bytes_type_${NAME}}" sql "${sql}")
    string(HEX "${sql}" hexadecimal)
    string(REGEX REPLACE "(..)" "\\\\x\\1" bytes "${hexadecimal}")
    # Pieces of a string, each far below the length that every compiler takes.
    string(REGEX REPLACE "((\\\\x..)(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?(\\\\x..)?)" "\"\\1\"\n" bytes "${bytes}")
    string(APPEND text "{\"${name}\",\n${bytes}},\n")
endforeach()
string(APPEND text "{0},\n};\n")
file(WRITE ${OUTPUT} "${text}")
