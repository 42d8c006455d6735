/* A stand-in for libnvidia-ml.so.1: what NVML would answer is read from a folder at each call, and nothing is remembered.

   $FAKE_NVML is the folder. Without it, or with a file "unloaded" in it, the driver is not loaded. Each GPU is a folder
   0, 1, ... in it, in the order of their PCI bus ids, and each figure a file in that: what has no file is not supported.
   A GPU with a file "lost" has fallen off the bus. As long as there is a file "hang" in the folder, no answer comes. Of "xid" the number
   is reported once, and the file is gone. As the real one, it refuses every call before nvmlInit and after nvmlShutdown, and
   buffers that are too small. See __init__.py for what this does not prove. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7,
       DRIVER_NOT_LOADED = 9, TIMEOUT = 10, GPU_IS_LOST = 15 };
enum { MOST_GPUS = 16, XID = 8, WAIT_MS = 10 };

typedef unsigned long long number;
typedef struct { int index; } *gpu;
typedef struct { unsigned kinds[MOST_GPUS]; } *event_set;
typedef struct { number total, free, used; } memory_info;
typedef struct { unsigned gpu, memory; } utilization;
typedef struct { unsigned pid; number memory; unsigned instance, compute; } process_info;
typedef struct { gpu device; number kind, data; unsigned instance, compute; } event_data;

static struct { int index; } gpus[MOST_GPUS];
static int sessions;

static FILE *opened(int index, const char *name) {
    char path[4096];
    const char *folder = getenv("FAKE_NVML");
    if (!folder) return NULL;
    if (index < 0) snprintf(path, sizeof path, "%s/%s", folder, name);
    else snprintf(path, sizeof path, "%s/%d/%s", folder, index, name);
    return fopen(path, "r");
}

static int is_there(int index, const char *name) {
    FILE *file = opened(index, name);
    if (file) fclose(file);
    return file != NULL;
}

static int fault(gpu device) {
    if (__atomic_load_n(&sessions, __ATOMIC_SEQ_CST) <= 0) return UNINITIALIZED;
    while (is_there(-1, "hang")) usleep(WAIT_MS * 1000);
    if (!device) return SUCCESS;
    if ((char *)device < (char *)gpus || (char *)device >= (char *)(gpus + MOST_GPUS)) return INVALID_ARGUMENT;
    return is_there(device->index, "lost") ? GPU_IS_LOST : SUCCESS;
}

static int figure(gpu device, const char *name, number *value) {
    int wrong = device ? fault(device) : INVALID_ARGUMENT;
    if (wrong) return wrong;
    FILE *file = opened(device->index, name);
    if (!file) return NOT_SUPPORTED;
    wrong = fscanf(file, "%llu", value) == 1 ? SUCCESS : NOT_SUPPORTED;
    fclose(file);
    return wrong;
}

static int small(gpu device, const char *name, unsigned *value) {
    number found = 0;
    int wrong = figure(device, name, &found);
    if (!wrong) *value = (unsigned)found;
    return wrong;
}

static int text(gpu device, const char *name, char *buffer, unsigned length) {
    char line[256] = "";
    int wrong = device ? fault(device) : INVALID_ARGUMENT;
    if (wrong) return wrong;
    FILE *file = opened(device->index, name);
    if (!file) return NOT_SUPPORTED;
    if (!fgets(line, sizeof line, file)) line[0] = 0;
    fclose(file);
    line[strcspn(line, "\n")] = 0;
    if (strlen(line) >= length) return INSUFFICIENT_SIZE;
    strcpy(buffer, line);
    return SUCCESS;
}

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    if (!getenv("FAKE_NVML") || is_there(-1, "unloaded")) return DRIVER_NOT_LOADED;
    __atomic_add_fetch(&sessions, 1, __ATOMIC_SEQ_CST);
    return SUCCESS;
}

int nvmlShutdown(void) {
    if (__atomic_load_n(&sessions, __ATOMIC_SEQ_CST) <= 0) return UNINITIALIZED;
    __atomic_sub_fetch(&sessions, 1, __ATOMIC_SEQ_CST);
    return SUCCESS;
}

const char *nvmlErrorString(int error) {
    switch (error) {
    case SUCCESS: return "The operation was successful";
    case UNINITIALIZED: return "Uninitialized";
    case INVALID_ARGUMENT: return "Invalid Argument";
    case NOT_SUPPORTED: return "Not Supported";
    case NOT_FOUND: return "Not Found";
    case INSUFFICIENT_SIZE: return "Insufficient Size";
    case DRIVER_NOT_LOADED: return "Driver Not Loaded";
    case TIMEOUT: return "Timeout";
    case GPU_IS_LOST: return "GPU is lost";
    default: return "Unknown Error";
    }
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    int wrong = fault(NULL);
    for (*count = 0; !wrong && *count < MOST_GPUS && is_there((int)*count, "uuid"); ++*count);
    return wrong;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, gpu *device) {
    unsigned count = 0;
    int wrong = nvmlDeviceGetCount_v2(&count);
    if (wrong) return wrong;
    if (index >= count) return INVALID_ARGUMENT;
    gpus[index].index = (int)index;
    *device = (gpu)&gpus[index];
    return fault(*device);
}

int nvmlDeviceGetName(gpu device, char *name, unsigned length) { return text(device, "name", name, length); }
int nvmlDeviceGetUUID(gpu device, char *uuid, unsigned length) { return text(device, "uuid", uuid, length); }

int nvmlDeviceGetMemoryInfo(gpu device, memory_info *memory) {
    number total = 0, used = 0;
    int wrong = figure(device, "memory_total", &total);
    if (!wrong) wrong = figure(device, "memory_used", &used);
    if (wrong) return wrong;
    memory->total = total;
    memory->used = used;
    memory->free = total - used;
    return SUCCESS;
}

int nvmlDeviceGetMinorNumber(gpu device, unsigned *minor) { return small(device, "minor", minor); }

int nvmlDeviceGetUtilizationRates(gpu device, utilization *rates) {
    rates->memory = 0;
    return small(device, "utilisation", &rates->gpu);
}

int nvmlDeviceGetPowerUsage(gpu device, unsigned *milliwatts) { return small(device, "power_mw", milliwatts); }
int nvmlDeviceGetTotalEnergyConsumption(gpu device, number *millijoules) { return figure(device, "energy_mj", millijoules); }

int nvmlDeviceGetTemperature(gpu device, int sensor, unsigned *degrees) {
    return sensor ? INVALID_ARGUMENT : small(device, "temperature", degrees);
}

int nvmlDeviceGetTotalEccErrors(gpu device, int kind, int counter, number *errors) {
    if (kind < 0 || kind > 1 || counter < 0 || counter > 1) return INVALID_ARGUMENT;
    return figure(device, kind ? "ecc_uncorrected" : "ecc_corrected", errors);
}

int nvmlDeviceGetComputeRunningProcesses_v3(
    gpu device, unsigned *count, process_info *processes) {
    unsigned pid, found = 0, room = *count;
    int wrong = device ? fault(device) : INVALID_ARGUMENT;
    if (wrong) return wrong;
    FILE *file = opened(device->index, "processes");
    if (!file) return NOT_SUPPORTED;
    for (; fscanf(file, "%u", &pid) == 1; ++found) {
        if (!processes || found >= room) continue;
        processes[found].pid = pid;
        processes[found].memory = 1 << 20;
        processes[found].instance = processes[found].compute = (unsigned)-1;
    }
    fclose(file);
    *count = found;
    return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}

int nvmlEventSetCreate(event_set *set) {
    int wrong = fault(NULL);
    if (!wrong) *set = calloc(1, sizeof **set);
    return wrong;
}

int nvmlEventSetFree(event_set set) {
    int wrong = fault(NULL);
    if (!wrong) free(set);
    return wrong;
}

int nvmlDeviceRegisterEvents(gpu device, number kinds, event_set set) {
    int wrong = device ? fault(device) : INVALID_ARGUMENT;
    if (!wrong) set->kinds[device->index] |= (unsigned)kinds;
    return wrong;
}

static int reported(int index, number *xid) {
    char path[4096];
    FILE *file = opened(index, "xid");
    if (!file) return 0;
    int read = fscanf(file, "%llu", xid);
    fclose(file);
    snprintf(path, sizeof path, "%s/%d/xid", getenv("FAKE_NVML"), index);
    return read == 1 && unlink(path) == 0;
}

int nvmlEventSetWait_v2(
    event_set set, event_data *event, unsigned timeout_ms) {
    for (unsigned waited = 0; waited <= timeout_ms; waited += WAIT_MS) {
        int wrong = fault(NULL);
        if (wrong) return wrong;
        for (int index = 0; index < MOST_GPUS; ++index) {
            if (!(set->kinds[index] & XID) || !reported(index, &event->data)) continue;
            event->device = (gpu)&gpus[index];
            event->kind = XID;
            event->instance = event->compute = (unsigned)-1;
            return SUCCESS;
        }
        usleep(WAIT_MS * 1000);
    }
    return TIMEOUT;
}
