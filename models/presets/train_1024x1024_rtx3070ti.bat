@echo off
rem HRNet-W32 at 1024x1024 on an RTX 3070 Ti (8 GiB): batch 1, 8 micro-steps an update.
rem     train_1024x1024_rtx3070ti.bat [DATASET] [FLAG...]
rem The data set is the folder Aariz, or the first argument where that is no flag; flags go on to snug and
rem the trainer. Paths are as the caller means them: nothing changes the folder.
setlocal
set "DATASET=Aariz"
set "FIRST=%~1"
set "FLAGS=%*"
if not defined FIRST goto run
if "%FIRST:~0,1%"=="-" goto run
set "DATASET=%~1"
set "FLAGS="
:next
shift
if "%~1"=="" goto run
set "FLAGS=%FLAGS% %1"
goto next
:run
if not defined SNUG set "SNUG=snug"
"%SNUG%" train "%~dp0..\hrnet_w32.snug" --device cuda --card "RTX 3070 Ti" --dataset_path "%DATASET%" ^
    --image_size 1024 1024 --batch_size 1 --gradient_accumulation_steps 8 --epochs 200 ^
    --lr 3e-4 --warmup_epochs 10 --mixed_precision --use_ema --num_workers 2 %FLAGS%
pause
