// The little of the PJRT C API that the compile cache touches, written down from its published
// specification (openxla/xla, xla/pjrt/c/pjrt_c_api.h, API version 0.104). Within major version 0 the
// API only grows at its ends: each struct begins with its size, and functions are added to the table
// after those that are there.

#ifndef TOKENFUSE_PJRT_H
#define TOKENFUSE_PJRT_H

#include <stddef.h>

// How many plugins a process can have with the compile cache.
enum { TOKENFUSE_PLUGINS = 4 };

typedef struct PJRT_Error PJRT_Error;
typedef struct PJRT_Client PJRT_Client;
typedef struct PJRT_Executable PJRT_Executable;
typedef struct PJRT_LoadedExecutable PJRT_LoadedExecutable;

// All functions of the table take a pointer to a struct of arguments.
typedef PJRT_Error *(*PJRT_Function)(void *args);

// The table of a plugin's functions.
typedef struct {
	size_t struct_size;
	void *extension_start;
	struct {
		size_t struct_size;
		void *extension_start;
		int major_version;
		int minor_version;
	} pjrt_api_version;
	PJRT_Function function[];
} PJRT_Api;

// Places of functions in the table.
enum {
	PJRT_Error_Destroy = 0,
	PJRT_Client_PlatformName = 12,
	PJRT_Client_PlatformVersion = 14,
	PJRT_Client_Devices = 15,
	PJRT_Client_AddressableDevices = 16,
	PJRT_Client_Compile = 20,
	PJRT_DeviceDescription_Kind = 26,
	PJRT_Device_GetDescription = 29,
	PJRT_Executable_Destroy = 40,
	PJRT_Executable_Serialize = 49,
	PJRT_LoadedExecutable_GetExecutable = 51,
	PJRT_Executable_DeserializeAndLoad = 56,
	FUNCTIONS_NEEDED = 57,
};

typedef struct {
	size_t struct_size;
	void *extension_start;
	char *code;
	size_t code_size;
	const char *format;
	size_t format_size;
} PJRT_Program;

typedef struct {
	size_t struct_size;
	void *extension_start;
	PJRT_Client *client;
	const PJRT_Program *program;
	const char *compile_options;
	size_t compile_options_size;
	PJRT_LoadedExecutable *executable; // out
} PJRT_Client_Compile_Args;

typedef struct {
	size_t struct_size;
	void *extension_start;
	PJRT_Client *client;
	const char *serialized_executable;
	size_t serialized_executable_size;
	PJRT_LoadedExecutable *loaded_executable; // out
	const char *overridden_serialized_compile_options;
	size_t overridden_serialized_compile_options_size;
} PJRT_Executable_DeserializeAndLoad_Args;

typedef struct {
	size_t struct_size;
	void *extension_start;
	const PJRT_Executable *executable;
	const char *serialized_bytes;            // out
	size_t serialized_bytes_size;            // out
	void *serialized_executable;             // out, holds the bytes
	void (*serialized_executable_deleter)(void *); // out, frees it
} PJRT_Executable_Serialize_Args;

// The shape of several functions' arguments: of what is asked, and the answer, with its size if it is
// a text or a list.
typedef struct {
	size_t struct_size;
	void *extension_start;
	void *of;
	void *answer;       // out
	size_t answer_size; // out
} PJRT_Question_Args;

// tokenfuse_open loads a plugin and returns its table, NULL if it has none.
const PJRT_Api *tokenfuse_open(const char *path);

// tokenfuse_wrap returns a copy of a plugin's table in which PJRT_Client_Compile calls tokenfuseCompile
// with the plugin's number. It returns NULL where the table is not as expected.
PJRT_Api *tokenfuse_wrap(const PJRT_Api *real, int number);

// tokenfuse_ask asks a function that takes PJRT_Question_Args, or, where it answers no size, all of
// them but the last. It returns NULL for an error. size may be NULL.
void *tokenfuse_ask(const PJRT_Api *api, int function, void *of, size_t *size);

// tokenfuse_compile is the plugin's own PJRT_Client_Compile, for a program of other code unless that is NULL.
PJRT_Error *tokenfuse_compile(const PJRT_Api *api, PJRT_Client_Compile_Args *args, const char *code, size_t size);

// tokenfuse_load makes an executable of what tokenfuse_serialize gave. It returns NULL for an error.
PJRT_LoadedExecutable *tokenfuse_load(const PJRT_Api *api, PJRT_Client *client, const void *bytes, size_t size);

// tokenfuse_serialize serialises an executable into memory that is to be freed. It returns NULL for an
// error.
void *tokenfuse_serialize(const PJRT_Api *api, PJRT_LoadedExecutable *loaded, size_t *size);

#endif
