# Writes OUT, a C file with each of FILES (below FOLDER) as a string: report_map.js becomes
# `const char report_map_js[]`.
set(text "/* made by embed.cmake */\n")
foreach(file ${FILES})
  file(READ ${FOLDER}/${file} bytes HEX)
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${bytes}")
  string(REPLACE "'\\x0a'," "'\\x0a',\n" bytes "${bytes}") # a line of the file, a line here
  string(REGEX REPLACE "[.]" "_" name ${file})
  string(APPEND text "extern const char ${name}[];\nconst char ${name}[] = {\n${bytes}0};\n")
endforeach()
file(WRITE ${OUT} "${text}")
