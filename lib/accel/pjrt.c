//go:build cgo && (linux || darwin)

#include "pjrt.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

const PJRT_Api *tokenfuse_open(const char *path) {
	// As go-xla opens it. It stays open: the library closes plugins at the end of the process too.
	void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	if (library == NULL) {
		return NULL;
	}
	const PJRT_Api *(*get)(void) = (const PJRT_Api *(*)(void))dlsym(library, "GetPjrtApi");
	return get == NULL ? NULL : get();
}

extern PJRT_Error *tokenfuseCompile(int number, PJRT_Client_Compile_Args *args);

// A function of the table is told nothing of the plugin that it belongs to, so each has its own.
#define COMPILE(number) \
	static PJRT_Error *compile_##number(void *args) { return tokenfuseCompile(number, args); }
COMPILE(0)
COMPILE(1)
COMPILE(2)
COMPILE(3)
static const PJRT_Function compile[TOKENFUSE_PLUGINS] = {compile_0, compile_1, compile_2, compile_3};

// The minor version of the last change to a struct of pjrt.h: PJRT_Executable_DeserializeAndLoad_Args
// grew. Older plugins are left alone.
enum { OLDEST_MINOR = 71 };

PJRT_Api *tokenfuse_wrap(const PJRT_Api *real, int number) {
	if (real->struct_size < sizeof *real + FUNCTIONS_NEEDED * sizeof *real->function ||
	    real->pjrt_api_version.struct_size < sizeof real->pjrt_api_version ||
	    real->pjrt_api_version.major_version != 0 || real->pjrt_api_version.minor_version < OLDEST_MINOR) {
		return NULL;
	}
	for (int i = 0; i < FUNCTIONS_NEEDED; i++) {
		if (real->function[i] == NULL) {
			return NULL;
		}
	}
	PJRT_Api *wrapped = malloc(real->struct_size);
	if (wrapped != NULL) {
		memcpy(wrapped, real, real->struct_size);
		wrapped->function[PJRT_Client_Compile] = compile[number];
	}
	return wrapped;
}

// failed says whether there is an error, and frees it.
static int failed(const PJRT_Api *api, PJRT_Error *error) {
	if (error == NULL) {
		return 0;
	}
	struct {
		size_t struct_size;
		void *extension_start;
		PJRT_Error *error;
	} args = {sizeof args, NULL, error};
	api->function[PJRT_Error_Destroy](&args);
	return 1;
}

void *tokenfuse_ask(const PJRT_Api *api, int function, void *of, size_t *size) {
	PJRT_Question_Args args = {.of = of};
	args.struct_size = size == NULL ? offsetof(PJRT_Question_Args, answer_size) : sizeof args;
	if (failed(api, api->function[function](&args))) {
		return NULL;
	}
	if (size != NULL) {
		*size = args.answer_size;
	}
	return args.answer;
}

PJRT_Error *tokenfuse_compile(const PJRT_Api *api, PJRT_Client_Compile_Args *args, const char *code, size_t size) {
	if (code == NULL) {
		return api->function[PJRT_Client_Compile](args);
	}
	PJRT_Program program = *args->program;
	program.code = (char *)code;
	program.code_size = size;
	PJRT_Client_Compile_Args other = *args;
	other.program = &program;
	PJRT_Error *error = api->function[PJRT_Client_Compile](&other);
	args->executable = other.executable;
	return error;
}

PJRT_LoadedExecutable *tokenfuse_load(const PJRT_Api *api, PJRT_Client *client, const void *bytes, size_t size) {
	PJRT_Executable_DeserializeAndLoad_Args args = {
		.struct_size = sizeof args,
		.client = client,
		.serialized_executable = bytes,
		.serialized_executable_size = size,
	};
	return failed(api, api->function[PJRT_Executable_DeserializeAndLoad](&args)) ? NULL : args.loaded_executable;
}

void *tokenfuse_serialize(const PJRT_Api *api, PJRT_LoadedExecutable *loaded, size_t *size) {
	PJRT_Executable *executable = tokenfuse_ask(api, PJRT_LoadedExecutable_GetExecutable, loaded, NULL);
	if (executable == NULL) {
		return NULL;
	}
	void *bytes = NULL;
	PJRT_Executable_Serialize_Args args = {.struct_size = sizeof args, .executable = executable};
	if (!failed(api, api->function[PJRT_Executable_Serialize](&args))) {
		*size = args.serialized_bytes_size;
		bytes = *size == 0 ? NULL : malloc(*size);
		if (bytes != NULL) {
			memcpy(bytes, args.serialized_bytes, *size);
		}
		args.serialized_executable_deleter(args.serialized_executable);
	}
	struct {
		size_t struct_size;
		void *extension_start;
		PJRT_Executable *executable;
	} done = {sizeof done, NULL, executable};
	failed(api, api->function[PJRT_Executable_Destroy](&done));
	return bytes;
}
