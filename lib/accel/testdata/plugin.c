// A PJRT plugin for tests of the compile cache, which compiles nothing: the name of an executable is
// all it is, and says of what it was made. Built with -DCONTENT="text", so that plugins differ in
// nothing else. Variables named FAKE_... change what it says of itself.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../pjrt.h"

#define NUMBER_OF_FUNCTIONS 160

enum { PJRT_Executable_Name = 41 };

static PJRT_Error *const refusal = (PJRT_Error *)"refusal";

static const char *setting(const char *name, const char *standard) {
	const char *value = getenv(name);
	return value == NULL ? standard : value;
}

// ok does nothing, leaving the answers zero.
static PJRT_Error *ok(void *args) { return NULL; }

static PJRT_Error *answer(PJRT_Question_Args *args, const char *text) {
	args->answer = (void *)text;
	args->answer_size = strlen(text);
	return NULL;
}

static PJRT_Error *platform_name(void *args) { return answer(args, setting("FAKE_PLATFORM", "fake")); }
static PJRT_Error *platform_version(void *args) { return answer(args, setting("FAKE_RELEASE", "1")); }
static PJRT_Error *kind(void *args) { return answer(args, setting("FAKE_KIND", "abacus")); }

static PJRT_Error *devices(void *args) {
	static void *all[8];
	PJRT_Question_Args *question = args;
	question->answer = all;
	question->answer_size = atoi(setting("FAKE_DEVICES", "2"));
	return NULL;
}

// itself answers a question with what it is about.
static PJRT_Error *itself(void *args) {
	PJRT_Question_Args *question = args;
	question->answer = question->of == NULL ? (void *)"a device" : question->of;
	return NULL;
}

static unsigned long long fnv(const char *bytes, size_t size) {
	unsigned long long hash = 14695981039346656037ull;
	for (size_t i = 0; i < size; i++) {
		hash = (hash ^ (unsigned char)bytes[i]) * 1099511628211ull;
	}
	return hash;
}

// compile makes an executable, and a mark in the file FAKE_COMPILED.
static PJRT_Error *compile(void *args) {
	PJRT_Client_Compile_Args *compilation = args;
	FILE *mark = fopen(setting("FAKE_COMPILED", "/dev/null"), "a");
	if (mark != NULL) {
		fputc('.', mark);
		fclose(mark);
	}
	char *made = malloc(200);
	snprintf(made, 200, "made of %llx with %llx by %s on %s %s %s", fnv(compilation->program->code, compilation->program->code_size),
		fnv(compilation->compile_options, compilation->compile_options_size), CONTENT, setting("FAKE_PLATFORM", "fake"),
		setting("FAKE_KIND", "abacus"), setting("XLA_FLAGS", ""));
	compilation->executable = (PJRT_LoadedExecutable *)made;
	return NULL;
}

static PJRT_Error *name(void *args) { return answer(args, ((PJRT_Question_Args *)args)->of); }

static void forget(void *serialized) { free(serialized); }

static PJRT_Error *serialize(void *args) {
	PJRT_Executable_Serialize_Args *serialization = args;
	if (getenv("FAKE_MUTE") != NULL) {
		return refusal;
	}
	char *bytes = strdup((const char *)serialization->executable);
	serialization->serialized_executable = bytes;
	serialization->serialized_bytes = bytes;
	serialization->serialized_bytes_size = strlen(bytes) + 1;
	serialization->serialized_executable_deleter = forget;
	return NULL;
}

static PJRT_Error *deserialize(void *args) {
	PJRT_Executable_DeserializeAndLoad_Args *loading = args;
	if (getenv("FAKE_DEAF") != NULL) {
		return refusal;
	}
	char *made = malloc(loading->serialized_executable_size);
	memcpy(made, loading->serialized_executable, loading->serialized_executable_size);
	loading->loaded_executable = (PJRT_LoadedExecutable *)made;
	return NULL;
}

const PJRT_Api *GetPjrtApi(void) {
	static PJRT_Api *api;
	if (api != NULL) {
		return api;
	}
	api = calloc(1, sizeof *api + NUMBER_OF_FUNCTIONS * sizeof *api->function);
	api->struct_size = sizeof *api + NUMBER_OF_FUNCTIONS * sizeof *api->function;
	for (int i = 0; i < NUMBER_OF_FUNCTIONS; i++) {
		api->function[i] = ok;
	}
	api->pjrt_api_version.struct_size = sizeof api->pjrt_api_version;
	api->pjrt_api_version.major_version = atoi(setting("FAKE_MAJOR", "0"));
	api->pjrt_api_version.minor_version = atoi(setting("FAKE_MINOR", "100"));
	api->function[PJRT_Client_PlatformName] = platform_name;
	api->function[PJRT_Client_PlatformVersion] = platform_version;
	api->function[PJRT_Client_Devices] = devices;
	api->function[PJRT_Client_AddressableDevices] = devices;
	api->function[PJRT_Client_Compile] = compile;
	api->function[PJRT_DeviceDescription_Kind] = kind;
	api->function[PJRT_Device_GetDescription] = itself;
	api->function[PJRT_Executable_Name] = name;
	api->function[PJRT_Executable_Serialize] = serialize;
	api->function[PJRT_LoadedExecutable_GetExecutable] = itself;
	api->function[PJRT_Executable_DeserializeAndLoad] = deserialize;
	if (getenv("FAKE_SHORT") != NULL) {
		api->struct_size = sizeof *api + (FUNCTIONS_NEEDED - 1) * sizeof *api->function;
	}
	if (getenv("FAKE_HOLE") != NULL) {
		api->function[PJRT_Executable_Serialize] = NULL;
	}
	return api;
}
