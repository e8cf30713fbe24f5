// A Vulkan driver that passes every call on to another driver and writes the SPIR-V of each shader
// module to a file: what the driver really gets, to compare with src/gpu/dump.rs.
// METHODOLOGY.md, "Seeing what the driver made of it", has the commands.
//
// TAP_DRIVER: the shared library of the other driver. TAP_DIR: a folder for 0000.spv, 0001.spv and so on.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vk_icd.h>
#include <vulkan/vulkan.h>

static PFN_vkGetDeviceProcAddr next_device_proc;
static PFN_vkCreateShaderModule next_create;

// A symbol of the other driver.
static void *next(const char *name) {
    static void *driver;
    if (!driver && !(driver = dlopen(getenv("TAP_DRIVER"), RTLD_NOW | RTLD_LOCAL))) {
        fprintf(stderr, "spirv_tap: %s\n", dlerror());
        exit(1);
    }
    return dlsym(driver, name);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_shader_module(VkDevice device, const VkShaderModuleCreateInfo *info,
                                                           const VkAllocationCallbacks *allocator, VkShaderModule *module) {
    static int count;
    char path[4096];
    snprintf(path, sizeof path, "%s/%04d.spv", getenv("TAP_DIR"), __atomic_fetch_add(&count, 1, __ATOMIC_SEQ_CST));
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(info->pCode, 1, info->codeSize, file) != info->codeSize || fclose(file)) {
        perror(path);
        exit(1);
    }
    return next_create(device, info, allocator, module);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL device_proc(VkDevice device, const char *name) {
    PFN_vkVoidFunction found = next_device_proc(device, name);
    if (strcmp(name, "vkCreateShaderModule")) return found;
    next_create = (PFN_vkCreateShaderModule)found;
    return (PFN_vkVoidFunction)create_shader_module;
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL vk_icdGetInstanceProcAddr(VkInstance instance, const char *name) {
    PFN_vkGetInstanceProcAddr next_proc = (PFN_vkGetInstanceProcAddr)next("vk_icdGetInstanceProcAddr");
    PFN_vkVoidFunction found = next_proc(instance, name);
    if (!found || strcmp(name, "vkGetDeviceProcAddr")) return found;
    next_device_proc = (PFN_vkGetDeviceProcAddr)found;
    return (PFN_vkVoidFunction)device_proc;
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL vk_icdGetPhysicalDeviceProcAddr(VkInstance instance, const char *name) {
    PFN_GetPhysicalDeviceProcAddr next_proc = (PFN_GetPhysicalDeviceProcAddr)next("vk_icdGetPhysicalDeviceProcAddr");
    return next_proc ? next_proc(instance, name) : NULL;
}

VKAPI_ATTR VkResult VKAPI_CALL vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version) {
    PFN_vkNegotiateLoaderICDInterfaceVersion next_negotiate =
        (PFN_vkNegotiateLoaderICDInterfaceVersion)next("vk_icdNegotiateLoaderICDInterfaceVersion");
    return next_negotiate(version);
}
