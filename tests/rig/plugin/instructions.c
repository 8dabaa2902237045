/* A plugin for QEMU's TCG: counts the instructions of the guest, in all and inside chosen functions, and cuts the power at
 * the n-th execution of an address, or at the n-th instruction.
 *
 *   -plugin FILE,counters=PATH[,function=GROUP:ADDRESS]...[,cut=ADDRESS:N][,cut=N]
 *
 * PATH holds 32 counters of 64 bits in the machine's byte order: [0] is all instructions, [GROUP] (1 to 15) those from
 * entering a function of that group to its return, whatever it calls, [16 + GROUP] how often one was entered. The outermost
 * function counts. Whoever maps or reads the file sees the counters move. The power cut is a SIGKILL to QEMU before the instruction is carried out. */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The part of QEMU's plugin interface, version 1, that is used here. Debian packages no header. */
struct qemu_plugin_tb;
struct qemu_plugin_insn;
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*translated)(uint64_t id, struct qemu_plugin_tb *block));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction,
                                            void (*executed)(unsigned int cpu, void *data), int no_registers, void *data);
__attribute__((visibility("default"))) int qemu_plugin_version = 1;

enum { GROUPS = 16, FUNCTIONS = 64, DEPTH = 1024 };
static struct { uint32_t address, group; } functions[FUNCTIONS];
static size_t function_count;
static uint64_t *counters;
static uint32_t cut_address = UINT32_MAX, inside;
static uint64_t cut_in, cut_instruction = UINT64_MAX;
/* Where the calls under way will return to. Kept here, because a function reached by a jump at another's end (a tail call)
 * returns to that one's caller. */
static uint32_t returns[DEPTH];
static size_t depth, inside_depth;

/* What is known of an instruction when it is translated, packed into the pointer that comes back when it is executed:
 * address (32 bits), size (4), is it a call (1), does the power cut wait here (1), group of the function that begins here. */
static uintptr_t pack(uint32_t address, size_t size, bool call, uint32_t group)
{
    return address | (uintptr_t)size << 32 | (uintptr_t)call << 36 | (uintptr_t)(address == cut_address) << 37
         | (uintptr_t)group << 40;
}

static void executed(unsigned int cpu, void *data)
{
    uintptr_t packed = (uintptr_t)data;
    uint32_t address = (uint32_t)packed, group = packed >> 40;
    (void)cpu;
    if ((packed >> 37 & 1 && --cut_in == 0) || counters[0] + 1 == cut_instruction)
        kill(getpid(), SIGKILL);
    if (depth && address == returns[depth - 1])
        depth--;
    if (depth < inside_depth)
        inside = inside_depth = 0;
    if (!inside && group && depth) {
        inside = group;
        inside_depth = depth;
        counters[GROUPS + group]++;
    }
    counters[0]++;
    if (inside)
        counters[inside]++;
    if (packed >> 36 & 1 && depth < DEPTH)
        returns[depth++] = address + (packed >> 32 & 0xF);
}

/* BL, and BLX by register, in Thumb encoding (Armv7-M, A7.7.18 and A7.7.19). */
static bool is_call(const struct qemu_plugin_insn *instruction)
{
    const uint8_t *bytes = qemu_plugin_insn_data(instruction);
    uint16_t first = bytes[0] | bytes[1] << 8;
    if (qemu_plugin_insn_size(instruction) == 2)
        return (first & 0xFF87) == 0x4780;
    return (first & 0xF800) == 0xF000 && (bytes[3] & 0xD0) == 0xD0;
}

static void translated(uint64_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        uint32_t address = qemu_plugin_insn_vaddr(instruction), group = 0;
        for (size_t f = 0; f < function_count; f++)
            if (functions[f].address == address)
                group = functions[f].group;
        uintptr_t packed = pack(address, qemu_plugin_insn_size(instruction), is_call(instruction), group);
        qemu_plugin_register_vcpu_insn_exec_cb(instruction, executed, 0, (void *)packed);
    }
}

static bool map_counters(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, 2 * GROUPS * sizeof *counters) != 0)
        return false;
    counters = mmap(NULL, 2 * GROUPS * sizeof *counters, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return counters != MAP_FAILED;
}

static bool understand(const char *argument)
{
    uint32_t address, group;
    if (strncmp(argument, "counters=", 9) == 0)
        return map_counters(argument + 9);
    if (strncmp(argument, "cut=", 4) == 0 && !strchr(argument, ':'))
        return sscanf(argument, "cut=%lu", &cut_instruction) == 1 && cut_instruction > 0;
    if (sscanf(argument, "cut=%x:%lu", &cut_address, &cut_in) == 2)
        return cut_in > 0;
    if (sscanf(argument, "function=%u:%x", &group, &address) != 2 || group < 1 || group >= GROUPS
        || function_count == FUNCTIONS)
        return false;
    functions[function_count].address = address;
    functions[function_count++].group = group;
    return true;
}

__attribute__((visibility("default"))) int qemu_plugin_install(uint64_t id, const void *info, int count, char **arguments)
{
    (void)info;
    for (int i = 0; i < count; i++)
        if (!understand(arguments[i])) {
            fprintf(stderr, "instructions plugin: cannot use %s\n", arguments[i]);
            return 1;
        }
    if (!counters)
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
